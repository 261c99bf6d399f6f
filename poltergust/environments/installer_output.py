"""What uv, pip, virtualenv and git print, read for the reason of a failure.

None of them says it otherwise: uv and pip end with code 1 or 2 whatever happened, and have no structured errors. Read
first are numbers and names that do not change with the wording: HTTP status codes, errno, exceptions' class names. The
words that remain are those of uv 0.13, pip 23 to 26 and curl (for git); tests/integration/environments/test_failures.py
lets the installed tools fail in each way.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence

from poltergust.base.folders import DISK_FULL
from poltergust.base.text import without_middle

MAX_CHARACTERS = 300  # of an installer's last lines in a message: their beginning and their end

_STATUS = re.compile(
    r"(?:\((?=\d{3} [A-Z])|HTTP error |returned error: |returned a )(\d{3})\b"  # uv; pip on a URL; git; uv's hints
    r"|\b(\d{3}) (?:Client|Server) Error\b"  # requests, in pip's log
)
_ERRNO = re.compile(r"(?:os error|Errno) (-?\d+)")
_NETWORK = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.ENETUNREACH, errno.EHOSTUNREACH)
_CONNECTION = re.compile(
    r"error sending request|error decoding response body|network timeout"  # uv
    r"|connection-failed|Max retries exceeded|Read timed out"  # pip's code for it, urllib3
    r"|NewConnectionError|ConnectTimeout|IncompleteRead|RemoteDisconnected|ProtocolError"
    r"|Could(?:n't| not) (?:connect to server|resolve host)"  # curl
)
_CREDENTIALS = re.compile(r"Missing credentials for|Authentication failed for|could not read Username")  # uv, git, git
_GIT = re.compile(
    r"(?:fatal: )?(?P<words>unable to access '\w+://(?:[^/@']*@)?(?P<a>[\w.-]+).*"
    r"|ssh: (?:connect to host|Could not resolve hostname) (?P<b>[\w.-]+).*)"
)
_URL_HOST = re.compile(r"(?:for url \(\w+://|Failed to connect to )([\w.-]+)")  # uv, pip
_NOT_FOUND = re.compile(
    r"Because (?P<a>[\w.-]+)(?:\[[^]]*\])? was not found in the (?:package registry|provided package locations)"
    r"|No matching distribution found for (?P<b>[\w.-]+)"
    r"|Because (?:there (?:is|are) no versions? of|only .{1,200}? (?:is|are) available.{0,40}?) ?(?P<c>[\w.-]+)?"
    r"|Distribution not found at: (?P<d>\S+)"
)
_INVALID = re.compile(
    r"Couldn't parse requirement|Failed to parse:|The wheel filename .{1,200}? is invalid"  # uv
    r"|Invalid requirement|is not a supported wheel on this platform"  # pip
)
_OPTION = re.compile(r"pip: error: no such option: (--\S+)")
_IMPOSSIBLE = re.compile(r"No solution found|ResolutionImpossible")
_BUILD = re.compile(
    r"Failed to build|build_wheel|subprocess-exited-with-error|metadata-generation-failed"
    r"|error: command .{1,200}? failed|gcc: |cc1: |ld returned"
)
_BUILT = re.compile(r"Failed to build [`'](?P<a>[^`']+)|Building wheel for (?P<b>\S+)")
_BUILDERS_WORDS = re.compile(r"\[std(?:out|err)\]|.*\[\d+ lines of output\]")  # uv; pip, which ends with the next one
_END_OF_WORDS = "[end of output]"
_COMPILER = re.compile(r".*:\d+: (?:fatal )?error: ")
_EXCEPTION = re.compile(r"(?:[\w.]*(?:Error|Exception|Exit)|ERROR|error)\b: (?!subprocess-exited)")
_NOISE = re.compile(
    r"^\s*(?:\^+|╰─▶|├─▶|│|hint:.*|note:.*|\[notice\].*|\[end of output\].*"
    r"|ERROR: ResolutionImpossible.*|Additionally, some packages in these conflicts.*"
    r"|To fix this you could try to:|\d\. (?:loosen|remove) .*)?\s*$"
)


class InstallerOutput:
    """The last lines of a command that failed. Several properties may hold at once; `failures` decides which counts."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.text = "\n".join(lines)
        self._statuses = {int(one or other) for one, other in _STATUS.findall(self.text)}
        self._errors = {int(number) for number in _ERRNO.findall(self.text)}

    @property
    def disk_full(self) -> bool:
        return self._names(DISK_FULL)

    @property
    def unreachable(self) -> bool:
        """No connection, or an answer that passes by itself: too many requests, a server's error."""
        return (
            any(status == 429 or status >= 500 for status in self._statuses)
            or any(number < 0 for number in self._errors)  # getaddrinfo(3)
            or self._names(_NETWORK)
            or _CONNECTION.search(self.text) is not None
        )

    @property
    def denied(self) -> bool:
        return not self._statuses.isdisjoint({401, 403, 407}) or _CREDENTIALS.search(self.text) is not None

    @property
    def invalid(self) -> bool:
        return _INVALID.search(self.text) is not None

    @property
    def refused_option(self) -> str:
        """An option on a line that this pip does not know, as those that newer ones dropped; empty if there is none."""
        found = _OPTION.search(self.text)
        return found[1] if found else ""

    @property
    def unsolvable(self) -> bool:
        return _IMPOSSIBLE.search(self.text) is not None

    @property
    def build_failed(self) -> bool:
        return _BUILD.search(self.text) is not None

    @property
    def missing(self) -> bool:
        """Something is asked for that is not there, rather than demands that contradict each other."""
        if 404 in self._statuses and not self.unsolvable:
            return True
        if _NOT_FOUND.search(self.text) is None:
            return False
        if "was not found in the" in self.text:
            return True
        several = re.search(r"you require \S+ and \S|ResolutionImpossible|depends on", self.text)
        return several is None and len(re.findall(r"\byou require\b", self.text)) <= 2

    @property
    def packages(self) -> list[str]:
        """Names of packages that the output is about, the likeliest first."""
        found = _NOT_FOUND.search(self.text) if self.missing else None
        names = [group for group in (found.groups() if found else ()) if group]
        names += re.findall(r"you require ([\w.-]+?)(?=[\[<>=!~;,\s]|$)", self.text)
        return names + re.findall(r"`([\w.-]+?)(?:==[^`]*)?`", self.text)

    @property
    def summary(self) -> str:
        """The part that says why, as one line of at most `MAX_CHARACTERS` characters."""
        kept = [line.strip() for line in self.lines if not _NOISE.match(line)]
        starts = [i for i, line in enumerate(kept) if re.match(r"(?:virtualenv: )?(?:error|ERROR|×)\b|error:|× ", line)]
        chosen = kept[starts[0] :][:8] if starts else kept[-4:]
        text = ": ".join(re.sub(r"^(?:error|ERROR|cause):\s*|^[×╰─▶├│\s]+", "", line).rstrip(":") for line in chosen)
        text = re.sub(r"`?[\w./-]*/(?:wanted|locked|apart-\d+)\.txt`?", "the dependencies", text)
        return without_middle(text, MAX_CHARACTERS)

    @property
    def built(self) -> str:
        """The package that could not be built, empty if it is not named."""
        found = _BUILT.search(self.text)
        return (found["a"] or found["b"]) if found else ""

    @property
    def build_summary(self) -> str:
        """Why a package could not be built: a compiler's first error, the last exception, the last words."""
        lines = [line.strip() for line in self.lines]
        begin = next((i + 1 for i, line in enumerate(lines) if _BUILDERS_WORDS.match(line)), None)
        if begin is None:
            return self.summary
        end = lines.index(_END_OF_WORDS, begin) if _END_OF_WORDS in lines[begin:] else len(lines)
        said = [line for line in lines[begin:end] if not _NOISE.match(line)]
        compiler = [line for line in said if _COMPILER.match(line)]
        exceptions = [line for line in said if _EXCEPTION.match(line)]
        return without_middle((compiler[:1] or exceptions[-1:] or said[-1:] or [self.summary])[0], MAX_CHARACTERS)

    @property
    def unreached(self) -> tuple[str, str]:
        """Who cannot be reached, and git's or the installer's words for why. What git says stands anywhere in the
        output: uv puts it last, pip before a summary that leaves it out."""
        git = _GIT.search(self.text)
        if git is not None:
            return f"the git host {git['a'] or git['b']}", without_middle(git["words"], MAX_CHARACTERS)
        host = _URL_HOST.search(self.text)
        return f"the server {host[1]}" if host else "the package registry", self.summary

    def _names(self, numbers: Sequence[int]) -> bool:
        """Whether one of these errors of the operating system stands there, by number or in libc's words."""
        return any(number in self._errors or os.strerror(number) in self.text for number in numbers)
