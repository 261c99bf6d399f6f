"""Observability: what operators see of a running agent. Health, metrics, systemd, posts of outcomes.

Nothing here decides about a run, and an agent works the same without it. `status.py` is the state of an agent at a
moment and what is wrong in it; `pages.py` and `http.py` serve it, `metrics.py` counts, `systemd.py` informs the service
manager, `probe.py` asks the scheduler, `posts.py` posts outcomes. `observability.py` starts and stops all of it around
an agent, as `settings.py` asks for. Nothing listens unless asked to.
"""
