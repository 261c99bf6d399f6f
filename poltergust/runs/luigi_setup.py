"""What a run's Luigi process is given besides its request: a private folder, variables, and its luigi.cfg."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from poltergust.base.errors import NodeError
from poltergust.base.folders import is_disk_full
from poltergust.base.reasons import Reason
from poltergust.documents import TaskFile
from poltergust.environments import Environment, EnvironmentSpec
from poltergust.luigi_run import luigi_cfg

_NOT_INHERITED = ("VIRTUAL_ENV", "PYTHONHOME", "__PYVENV_LAUNCHER__", "TMPDIR")
_TEMPORARY = "tmp"
"""Below the private folder, so that a task which empties TMPDIR leaves the rest alone."""


@contextmanager
def private_folder(scratch: Path) -> Iterator[Path]:
    """A new one for each attempt, open to its owner only, removed with all that a task left there.

    Raises `NodeError` if it cannot be made.
    """
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        # What cannot be removed must not fail the run: it is the next start's to remove.
        made = tempfile.TemporaryDirectory(dir=scratch, prefix="", ignore_cleanup_errors=True)
        Path(made.name, _TEMPORARY).mkdir()
    except OSError as error:
        reason = Reason.DISK_FULL if is_disk_full(error) else Reason.START_FAILED
        text = f"no folder for a run can be made in {scratch}: {error.strerror}; make room there, or make it writable"
        raise NodeError(reason, text) from error
    with made as folder:
        yield Path(folder)


def variables(
    inherited: Mapping[str, str],
    workdir: Path,
    environment: Environment,
    spec: EnvironmentSpec,
    task: TaskFile,
    private: Path,
    code: Sequence[Path],
) -> dict[str, str]:
    """The shared ones, then the task file's; with `code` on PYTHONPATH, `TMPDIR` in the private folder, and the files'
    `luigi-config` written there.

    Raises what `luigi_cfg.variables` raises.
    """
    shared = shared_variables(inherited, environment, spec)
    full = {"TMPDIR": str(private / _TEMPORARY), **shared, **task.variables}
    if code:
        full["PYTHONPATH"] = os.pathsep.join(filter(None, (*map(str, code), full.get("PYTHONPATH"))))
    return full | luigi_cfg.variables(private, (spec.luigi_config, task.luigi_config), full, workdir)


def shared_variables(inherited: Mapping[str, str], environment: Environment, spec: EnvironmentSpec) -> dict[str, str]:
    """Those that all runs in this environment have: `inherited` ones, then the environment file's; with the virtualenv
    active."""
    full = {key: value for key, value in inherited.items() if key not in _NOT_INHERITED}
    full["PATH"] = os.pathsep.join((str(environment.python.parent), full.get("PATH", "/usr/local/bin:/usr/bin:/bin")))
    full["VIRTUAL_ENV"] = str(environment.folder)
    return {**full, **spec.variables}
