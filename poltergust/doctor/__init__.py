"""Doctor: look at everything a node depends on before it does, and say how to mend what is wrong.

`probes` lists what is looked at for given settings; each probe yields `checks.Check` values and is run by `examine`,
which makes a finding of every error. `machine` looks at this machine, `place` at the path (a bucket or a folder), the
nodes on it and Pub/Sub, `scheduling` at the Luigi scheduler. The quick ones (no write, no list, no wait; below a second
where all is well) also run beside a starting `poltergust listen`, see `alongside`.
"""

from __future__ import annotations

from poltergust.doctor.running import Probe, alongside, examine, probes

__all__ = ["Probe", "alongside", "examine", "probes"]
