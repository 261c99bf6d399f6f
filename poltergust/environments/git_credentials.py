"""Credentials of `git+https://…@host` lines, kept out of git's argument list and out of every file.

uv and pip hand the URL to `git fetch`, where any user of the machine could read the token in the process list. The
lines lose their credentials; git gets them as a header by environment, for their host (or, where one host has several,
for their repository): git-config(1), `http.<url>.extraHeader` and GIT_CONFIG_COUNT. curl drops an own Authorization
header when a redirect leads to another host (CVE-2018-1000007).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from poltergust.environments.lines import expand
from poltergust.environments.origins import Placed

_GIT_URL = re.compile(
    r"git\+(?P<scheme>https?)://(?P<credentials>[^\s/]+)@(?P<host>[^\s/@]+)/(?P<path>[^\s@#]*)", re.IGNORECASE
)


@dataclass(frozen=True)
class GitAccess:
    """Lines without credentials, the environment that gives them to git, the secret texts."""

    placed: tuple[Placed, ...]
    env: Mapping[str, str]
    secrets: tuple[str, ...]


def separate(placed: Iterable[Placed], env: Mapping[str, str]) -> GitAccess:
    """Take credentials out of git lines. Lines without any are passed on as they are."""
    cleaned: list[Placed] = []
    found: list[tuple[str, str, str]] = []  # scope by host, scope by repository, header
    secrets: list[str] = []
    for item in placed:
        match = _GIT_URL.search(item.line.requirement)
        if match is None:
            cleaned.append(item)
            continue
        credentials = expand(match["credentials"], env)
        user, _, password = credentials.partition(":")
        pair = f"{unquote(user)}:{unquote(password)}"
        encoded = base64.b64encode(pair.encode()).decode()
        host = f"{match['scheme']}://{expand(match['host'], env)}/"
        found.append((host, host + expand(match["path"], env), f"Authorization: Basic {encoded}"))
        secrets += [credentials, encoded, *([password] if password else [user]), unquote(password), unquote(user)]
        url = f"git+{match['scheme']}://{match['host']}/{match['path']}"
        requirement = item.line.requirement.replace(match[0], url)
        cleaned.append(replace(item, line=replace(item.line, requirement=requirement)))
    return GitAccess(tuple(cleaned), _configuration(found, env), tuple(s for s in secrets if s))


def _configuration(found: Sequence[tuple[str, str, str]], env: Mapping[str, str]) -> dict[str, str]:
    headers: dict[str, set[str]] = {}
    for host, _, header in found:
        headers.setdefault(host, set()).add(header)
    # one header per scope: git would send a second one as well
    scoped = {host if len(headers[host]) == 1 else repository: header for host, repository, header in found}
    result = {"GIT_TERMINAL_PROMPT": "0"}
    count = int(env["GIT_CONFIG_COUNT"]) if env.get("GIT_CONFIG_COUNT", "").isdigit() else 0
    for scope, header in scoped.items():
        result |= {f"GIT_CONFIG_KEY_{count}": f"http.{scope}.extraHeader", f"GIT_CONFIG_VALUE_{count}": header}
        count += 1
    return result | ({"GIT_CONFIG_COUNT": str(count)} if scoped else {})
