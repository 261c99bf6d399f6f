"""The face a running agent shows to operators: health, metrics, systemd, outcome posts, and keeping the side clean.

Nothing here decides about a run, and an agent works the same without it. `status.py` is the picture of a moment and
what is wrong in it; `pages.py` and `http.py` show it, `metrics.py` counts, `systemd.py` tells the service manager,
`probe.py` asks the scheduler, `notify.py` posts outcomes, `keep.py` removes old records. `face.py` starts and stops all
of it around an agent. Nothing listens unless asked to.
"""
