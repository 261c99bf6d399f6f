"""Doctor: check everything a node depends on before it does, and say how to correct what is wrong.

`probes` lists what is checked for given settings; each probe yields `checks.Check` values and is run by `examine`,
which makes a finding of every error. `machine` checks this machine, `watched_path` the path (a bucket or a folder), the
nodes on it and Pub/Sub, `scheduling` the Luigi scheduler. The quick ones (no write, no list, no wait; below a second
where all is well) also run beside a starting `poltergust listen`, see `alongside`.
"""

from __future__ import annotations

from poltergust.doctor.probes import Probe, alongside, examine, probes

__all__ = ["Probe", "alongside", "examine", "probes"]
