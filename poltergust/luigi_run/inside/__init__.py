"""The part that runs inside the environment, under whatever Python it has (3.6 on), importing only luigi.

`__main__.py` loads this folder as a package of its own name, so that neither Poltergust nor this folder is importable
for the pipeline. `channel` talks with the agent, `luigi_import` imports luigi, `finding` imports modules and finds the
task, `binding` turns the file's arguments into parameters, `remote` is the scheduler as these runs see it, `working`
Luigi's worker as they need it, `judging` says how things stand (`root`, `targets` and `circles` say more of it),
`guards` keeps two habits of Luigi and its users from doing harm, `running` is the run from start to result, `process`
what surrounds it.

Nothing here may use what Python 3.6 lacks (walrus, positional-only parameters, `from __future__ import annotations`):
`make check` has vermin look at syntax and standard library alike.
"""
