"""Has nothing to run."""
