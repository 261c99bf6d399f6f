"""pip's settings in uv's words, so that a private index configured for pip is seen by uv too.

uv reads neither pip.conf nor PIP_*. A setting that did not arrive could install a public package in place of a private
one of the same name. Translated is how an index is reached (uv fetches pip itself that way, too), and constraints; any
other setting that matters means that pip installs. What the node set for uv itself (UV_*) wins. Whatever may hold
credentials goes by environment variable, never by argument. pip takes the best version of all indexes: uv's
`--index-strategy unsafe-best-match` (https://docs.astral.sh/uv/pip/compatibility/).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poltergust.environments.lines import Line, expand

# what an installation into a fresh environment of our own does not depend on
_NO_EFFECT = frozenset(
    """
    disable-pip-version-check no-input quiet verbose log progress-bar no-color cache-dir no-cache-dir root-user-action
    no-warn-script-location no-warn-conflicts break-system-packages require-virtualenv upgrade upgrade-strategy
    force-reinstall ignore-installed compile no-compile exists-action format user target prefix root python dry-run
    report debug no-python-version-warning src check-build-dependencies ignore-requires-python isolated no-clean
    override no-user
    """.split()  # noqa: SIM905
)
_ON = frozenset({"1", "true", "yes", "on", "y", "t"})
_FILES = {"constraint": "UV_CONSTRAINT", "build-constraint": "UV_BUILD_CONSTRAINT"}
_CERTIFICATES = {"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT"}
_NUMBERS = {"timeout": "UV_HTTP_TIMEOUT", "default-timeout": "UV_HTTP_TIMEOUT", "retries": "UV_HTTP_RETRIES"}
_CREDENTIALS = re.compile(r"(?<=://)[^\s/]+@")


@dataclass
class UvSettings:
    """`arguments` and `env` for uv; `unmapped` says why pip has to install; `secrets` must not be shown; `fingerprint`
    differs between settings that lead to other packages, credentials left out."""

    arguments: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    fingerprint: str = ""


def translate(settings: Mapping[str, str], lines: Iterable[Line], env: Mapping[str, str]) -> UvSettings:
    """`settings` of pip and the options in `lines` as settings of uv."""
    result = UvSettings()
    read = tuple(lines)
    chosen = dict(settings)
    options = {name for line in read for name, _ in line.options}
    if "--index-url" in options or "--no-index" in options:
        # a line's own --index-url replaces all configured indexes (pip, req_file.py, handle_option_line)
        for name in ("index-url", "pypi-url", "extra-index-url"):
            chosen.pop(name, None)
    if "--no-index" in options:
        result.arguments.append("--no-index")
    _indexes(result, chosen, env, several="--extra-index-url" in options)
    for name, value in chosen.items():
        _setting(result, name, value, env)
    for line in read:
        for name, value in line.options:
            _line_option(result, name, value, env, bool(line.requirement))
    # a password in an index's URL must not appear in what the installers say
    result.secrets += [
        part
        for text in chosen.values()
        for credentials in _CREDENTIALS.findall(text)
        for part in credentials.rstrip("@").split(":")
    ]
    shown = sorted((k, _CREDENTIALS.sub("", v)) for k, v in settings.items() if k not in _NO_EFFECT)
    shown += [("file", _content(path)) for k, v in settings.items() if k.endswith("constraint") for path in v.split()]
    result.fingerprint = hashlib.sha256(repr(shown).encode()).hexdigest()
    return result


def _indexes(result: UvSettings, chosen: dict[str, str], env: Mapping[str, str], *, several: bool) -> None:
    default = chosen.pop("index-url", None) or chosen.pop("pypi-url", None)
    chosen.pop("pypi-url", None)
    extra = chosen.pop("extra-index-url", "").split()
    own = {name for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX") if env.get(name)}
    if default and not own & {"UV_INDEX_URL", "UV_DEFAULT_INDEX"}:
        result.env["UV_DEFAULT_INDEX"] = default
    if extra and not own & {"UV_EXTRA_INDEX_URL", "UV_INDEX"}:
        result.env["UV_EXTRA_INDEX_URL"] = " ".join(extra)
    if (extra or several) and not env.get("UV_INDEX_STRATEGY"):
        result.env["UV_INDEX_STRATEGY"] = "unsafe-best-match"


def _setting(result: UvSettings, name: str, value: str, env: Mapping[str, str]) -> None:
    if name in _NO_EFFECT:
        return
    if name == "find-links":
        _find_links(result, value.split(), env)
    elif name == "no-index":
        result.arguments += ["--no-index"] if value.lower() in _ON else []
    elif name == "trusted-host":
        result.arguments += [f"--allow-insecure-host={item}" for item in value.split()]
    elif name in _FILES:  # they may be URLs with credentials
        result.env[_FILES[name]] = " ".join([*filter(None, [env.get(_FILES[name])]), value])
    elif name in _CERTIFICATES:
        result.env[_CERTIFICATES[name]] = os.path.expanduser(value)
    elif name in _NUMBERS and value.isdecimal():
        if not env.get(_NUMBERS[name]):
            result.env[_NUMBERS[name]] = value
    elif name == "proxy":
        url = value if "://" in value else f"http://{value}"
        result.env |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), url)
    elif name == "keyring-provider" and value == "subprocess":
        result.arguments.append("--keyring-provider=subprocess")
    else:
        result.unmapped.append(f"pip's setting {name}")


def _line_option(result: UvSettings, name: str, value: str, env: Mapping[str, str], on_requirement: bool) -> None:
    """Options that uv reads past in a file, with a warning, but knows on its command line."""
    if on_requirement:
        return
    match name:
        case "--pre":
            result.arguments.append("--prerelease=allow")
        case "--require-hashes":
            result.arguments.append(name)
        case "--trusted-host":
            result.arguments.append(f"--allow-insecure-host={expand(value, env)}")


def _find_links(result: UvSettings, values: Iterable[str], env: Mapping[str, str]) -> None:
    hidden = []
    for value in values:
        if _CREDENTIALS.search(value) or ("://" in value and "?" in value):  # a signed URL has its key in the query
            hidden.append(value)
        else:
            result.arguments.append(f"--find-links={os.path.expanduser(value)}")
    if hidden:
        result.env["UV_FIND_LINKS"] = ",".join([*hidden, *filter(None, [env.get("UV_FIND_LINKS")])])


def _content(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""
