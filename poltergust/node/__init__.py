"""One node's life. `agent.py` is the page to read first; beside it

- `settings.py`: everything a user can set for one agent,
- `wiring.py`: which concrete part stands behind each interface,
- `workers.py`: the threads that reconcile names,
- `heartbeat.py` and `description.py`: what the node says of itself,
- `working_directory.py` and `scratch.py`: where its runs work, and where each has a folder of its own,
- `polling.py`: one pass, as a Luigi task.
"""
