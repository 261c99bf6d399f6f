"""Failures: from a command that failed to one line with a reason and, where it can be known, the line of the
environment file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from poltergust.base.errors import NodeError, Permanent, RunError, Temporary
from poltergust.base.folders import is_disk_full
from poltergust.base.reasons import Reason
from poltergust.base.redaction import without_credentials
from poltergust.environments.commands import CommandResult
from poltergust.environments.installer_output import InstallerOutput
from poltergust.environments.lines import Line, requirement_name


@contextlib.contextmanager
def os_errors(where: Path) -> Iterator[None]:
    """What the operating system refuses is this node's failure."""
    try:
        yield
    except OSError as error:
        reason = Reason.DISK_FULL if is_disk_full(error) else Reason.INSTALL_FAILED
        path = error.filename or where
        raise NodeError(reason, f"environment cache: {path}: {error.strerror or type(error).__name__}") from error


def of_install(ended: CommandResult, lines: Iterable[Line], what: str) -> RunError:
    """The error for an installer that did not succeed. `what` names the environment for the message."""
    output = InstallerOutput(ended.lines)
    words = output.summary
    where = _line_of(output, lines)
    if ended.exit.out_of_memory:
        return NodeError(Reason.OUT_OF_MEMORY, f"{what}: the installer was killed for memory on this node")
    if output.disk_full:
        return NodeError(
            Reason.DISK_FULL, f"{what}: the disk of this node is full; free space or move the cache: {words}"
        )
    if output.refused_option:
        instead = f"{output.refused_option}: write --config-settings={output.refused_option}=…, or name an older pip"
        return Permanent(Reason.DEPENDENCY_INVALID, f"{what}: {where}the pip of this Python no longer takes {instead}")
    if output.invalid:
        return Permanent(Reason.DEPENDENCY_INVALID, f"{what}: {where}{words}")
    if output.unreachable and not (output.build_failed and output.unsolvable):
        who, why = output.unreached
        return Temporary(Reason.REGISTRY_UNREACHABLE, f"{what}: {where}{who} cannot be reached: {why}")
    if output.denied:
        return NodeError(
            Reason.INSTALL_FAILED, f"{what}: the package index refuses this node's credentials; check them: {words}"
        )
    if output.build_failed:
        which = f" ({without_credentials(output.built)})" if output.built else ""
        return NodeError(
            Reason.INSTALL_FAILED, f"{what}: {where}a package could not be built{which}: {output.build_summary}"
        )
    if output.missing:
        return Permanent(Reason.PACKAGE_NOT_FOUND, f"{what}: {where}{words}")
    if output.unsolvable:
        return Permanent(Reason.RESOLUTION_IMPOSSIBLE, f"{what}: {where}{words}")
    return NodeError(Reason.INSTALL_FAILED, f"{what}: the installer failed ({ended.exit}): {words}")


def of_virtualenv(ended: CommandResult, what: str) -> NodeError:
    output = InstallerOutput(ended.lines)
    reason = Reason.DISK_FULL if output.disk_full else Reason.INSTALL_FAILED
    return NodeError(reason, f"{what}: virtualenv failed ({ended.exit}): {output.summary}")


def of_python(ended: CommandResult, request: str) -> RunError:
    """The error for a Python that uv could not install."""
    output = InstallerOutput(ended.lines)
    what = f"virtualenv: python: {request} is not on this node"
    if output.disk_full:
        return NodeError(Reason.DISK_FULL, f"{what}, and its disk is too full to install it: {output.summary}")
    if output.unreachable:
        return Temporary(
            Reason.REGISTRY_UNREACHABLE, f"{what}, and where uv downloads it cannot be reached: {output.summary}"
        )
    return NodeError(Reason.INTERPRETER_MISSING, f"{what}, and uv cannot install it: {output.summary}")


def _line_of(output: InstallerOutput, lines: Iterable[Line]) -> str:
    """`line 7 (pandas): ` for the line of the file that the output is about; empty if that cannot be known."""
    read = [line for line in lines if line.requirement]
    named = {canonicalize_name(name): line for line in read if (name := requirement_name(line))}
    for package in output.packages:
        line = named.get(canonicalize_name(package))
        if line is not None:
            return f"{line.origin} ({without_credentials(line.requirement)}): "
    quoted = [line for line in read if line.requirement in output.text]
    return f"{quoted[0].origin}: " if len(quoted) == 1 else ""
