"""The sample that `poltergust demo` runs: a task file, an environment file and a small pipeline, as a user writes them."""
