"""Failures: from what uv, pip or virtualenv said last to one line with a reason and, where it can be told, the line of
the environment file. The texts are those of uv 0.13 and pip 23 to 26."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from poltergust.base.errors import NodeError, Permanent, RunError, Temporary
from poltergust.base.reasons import Reason
from poltergust.base.redaction import without_credentials
from poltergust.base.text import cut
from poltergust.environments.commands import CommandResult
from poltergust.environments.lines import Line, requirement_name

MAX_CHARACTERS = 300  # of an installer's last lines in a message

_DISK = re.compile(r"No space left on device|os error 28|Errno 28|Disk quota exceeded|os error 122|Errno 122", re.I)
_NETWORK = re.compile(
    r"error sending request|client error \(Connect\)|tcp connect error|dns error|Temporary failure in name resolution"
    r"|Name or service not known|failed to lookup address|Connection refused|Connection reset|connection closed before"
    r"|operation timed out|Read timed out|ConnectTimeout|connection broken by"
    r"|too many \d+ error responses|NewConnectionError|Max retries exceeded"
    r"|Could not connect to server"
    r"|Couldn't connect to server|Could not resolve host|Network is unreachable|error decoding response body"
    r"|Failed to download distribution due to network timeout|HTTP status (?:server error|client error \(429)"
    r"|\b(?:429|50[0234]) (?:Too Many|Internal|Bad Gateway|Service|Gateway|Server Error)|returned error: (?:429|5\d\d)"
    r"|IncompleteRead|RemoteDisconnected|The server disconnected",
    re.I,
)
_DENIED = re.compile(
    r"(?:HTTP status client error \()?\b(?P<code>401|403) (?:Unauthorized|Forbidden)|Missing credentials for"
    r"|could not be queried due to a lack of valid authentication|Authentication failed for|could not read Username",
    re.I,
)
_NOT_FOUND = re.compile(
    r"Because (?P<a>[\w.-]+)(?:\[[^]]*\])? was not found in the (?:package registry|provided package locations)"
    r"|No matching distribution found for (?P<b>[\w.-]+)"
    r"|Because (?:there (?:is|are) no versions? of|only .{1,200}? (?:is|are) available.{0,40}?) ?(?P<c>[\w.-]+)?"
    r"|Distribution not found at: (?P<d>\S+)"
    r"|HTTP status client error \(404",
    re.I,
)
_INVALID = re.compile(
    r"Couldn't parse requirement|Invalid requirement|Unsupported editable requirement|Expected `--hash`"
    r"|Failed to parse:|InvalidRequirement|The wheel filename .{1,200}? is invalid|not a valid editable requirement"
    r"|is not a supported wheel on this platform|Unsupported requirement|does not appear to be a Python project",
    re.I,
)
_IMPOSSIBLE = re.compile(
    r"No solution found|ResolutionImpossible|your requirements are unsatisfiable|conflicting dependencies", re.I
)
_BUILD = re.compile(
    r"Failed to build|Build backend failed|build_wheel|Failed building wheel|subprocess-exited-with-error"
    r"|metadata-generation-failed|error: command .{1,200}? failed|gcc: |cc1: |ld returned",
    re.I,
)
_NOISE = re.compile(r"^\s*(?:\^+|╰─▶|├─▶|│|hint:.*|note:.*|\[notice\].*|\[end of output\].*)?\s*$")


def disk_is_full(text: str) -> bool:
    return _DISK.search(text) is not None


@contextlib.contextmanager
def os_errors(where: Path) -> Iterator[None]:
    """What the operating system refuses is this node's failure."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = Reason.DISK_FULL if full else Reason.INSTALL_FAILED
        path = error.filename or where
        raise NodeError(reason, f"environment cache: {path}: {error.strerror or type(error).__name__}") from error


def of_install(ended: CommandResult, lines: Iterable[Line], what: str) -> RunError:
    """The error for an installer that did not succeed. `what` names the environment for the message."""
    text = "\n".join(ended.lines)
    words = last_words(ended.lines)
    if ended.exit.out_of_memory:
        return NodeError(Reason.OUT_OF_MEMORY, f"{what}: the installer was killed for memory on this node")
    if disk_is_full(text):
        return NodeError(
            Reason.DISK_FULL, f"{what}: the disk of this node is full; free space or move the cache: {words}"
        )
    if _INVALID.search(text):
        return Permanent(Reason.DEPENDENCY_INVALID, f"{what}: {_at(text, lines)}{words}")
    built = _BUILD.search(text)
    if _NETWORK.search(text) and not (built and _IMPOSSIBLE.search(text)):
        return Temporary(Reason.REGISTRY_UNREACHABLE, f"{what}: the package registry cannot be reached: {words}")
    if _DENIED.search(text):
        return NodeError(
            Reason.INSTALL_FAILED, f"{what}: the package index refuses this node's credentials; check them: {words}"
        )
    if built:
        return NodeError(Reason.INSTALL_FAILED, f"{what}: {_at(text, lines)}a package could not be built: {words}")
    missing = _NOT_FOUND.search(text)
    if missing is not None and not _conflict(text):
        return Permanent(Reason.PACKAGE_NOT_FOUND, f"{what}: {_at(text, lines, missing)}{words}")
    if _IMPOSSIBLE.search(text):
        return Permanent(Reason.RESOLUTION_IMPOSSIBLE, f"{what}: {_at(text, lines)}{words}")
    return NodeError(Reason.INSTALL_FAILED, f"{what}: the installer failed ({ended.exit}): {words}")


def last_words(lines: Sequence[str]) -> str:
    """The part of the output that says why, as one line of at most `MAX_CHARACTERS` characters."""
    kept = [line.strip() for line in lines if not _NOISE.match(line)]
    starts = [i for i, line in enumerate(kept) if re.match(r"(?:virtualenv: )?(?:error|ERROR|×)\b|error:|× ", line)]
    said = kept[starts[0] :][:8] if starts else kept[-4:]
    text = ": ".join(re.sub(r"^(?:error|ERROR|cause):\s*|^[×╰─▶├│\s]+", "", line).rstrip(":") for line in said)
    text = re.sub(r"`?[\w./-]*/(?:wanted|locked|apart-\d+)\.txt`?", "the dependencies", text)
    return cut(text, MAX_CHARACTERS)


def _conflict(text: str) -> bool:
    """Demands that contradict each other, rather than one for something that is not there."""
    if "was not found in the" in text:
        return False
    several = re.search(r"you require \S+ and \S|conflicting dependencies|depends on", text)
    return several is not None or len(re.findall(r"\byou require\b", text)) > 2


def _at(text: str, lines: Iterable[Line], found: re.Match[str] | None = None) -> str:
    """`line 7 (pandas): ` for the line of the file that the output is about; empty if it cannot be told."""
    read = [line for line in lines if line.requirement]
    named = {canonicalize_name(name): line for line in read if (name := requirement_name(line))}
    candidates = [group for group in (found.groups() if found else ()) if group]
    candidates += re.findall(r"you require ([\w.-]+?)(?=[\[<>=!~;,\s]|$)", text)
    candidates += re.findall(r"`([\w.-]+?)(?:==[^`]*)?`", text)
    for candidate in candidates:
        line = named.get(canonicalize_name(candidate))
        if line is not None:
            return f"{line.origin} ({without_credentials(line.requirement)}): "
    quoted = [line for line in read if line.requirement in text]
    return f"{quoted[0].origin}: " if len(quoted) == 1 else ""
