"""What stands below a path, for people: configs and outcomes, the nodes' records of them, heartbeats, logs.

Reads only. `reading.py` turns objects into the frozen values of `model.py`, `judging.py` (pure) says what a set of
records means, `tails.py` reads logs as they grow, `scheduling.py` asks the scheduler where it can be reached from
here, `waiting.py` follows one config to its outcome. Everything is judged by the storage server's time; what a record
should hold and does not is None, never an error: records are hints, configs and outcomes the truth.
"""
