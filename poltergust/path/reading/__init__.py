"""What stands below a path, for people: configs and outcomes, the nodes' records of them, heartbeats, logs.

Reads only. `reader.py` turns objects into the frozen values of `model.py`, `summary.py` (pure) says what a set of
records means, `tails.py` reads logs as they grow, `waiting.py` follows one config to its outcome. All ages are by the
storage server's time. A damaged record counts as missing: records are hints, configs and outcomes the truth.
"""
