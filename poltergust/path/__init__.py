"""The protocol of objects on and beside the watched path, all of it and nothing else."""
