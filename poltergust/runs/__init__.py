"""The runner: one config from read to rename. `runner.py` is the page to read first; beside it

- `run.py`: what this node remembers of one run,
- `pipeline.py`: the environment and the Luigi process of one attempt,
- `watch.py`: whether a run under way still counts,
- `finish.py`: the rename to the outcome, once in the cluster,
- `forgive.py`: clearing, once per run, what the scheduler remembers of earlier failures,
- `retry_policy.py`: when to look again.
"""
