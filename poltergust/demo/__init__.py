"""The sample that `poltergust demo` runs: task file, environment file and a small pipeline, as a user writes them."""
