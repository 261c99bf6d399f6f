"""One config from read to rename. `reconciler.py` is the page to read first; beside it

- `attempt.py`: the environment and the Luigi process of one attempt,
- `files.py`: its two files, as this node reads them,
- `run_code.py`: which source it executes; `grace.py`: what may land after the file that names it,
- `luigi_setup.py`: what the process is given: private folder, variables, luigi.cfg,
- `stop_condition.py`: why a run under way must end,
- `progress_reporter.py`: how far it is, for those who look on,
- `conclusions.py`: what follows from a verdict; `retry_policy.py`: when a name is reconciled again,
- `run.py` and `known_runs.py`: what this node remembers of its runs,
- `context.py`: what all runs of one node share; `settings.py`: what a user can set about them.
"""
