"""What templates may call: times, durations, addresses, highlighted files. Pure; escaping is the environment's."""

from __future__ import annotations

import shlex
import time
import urllib.parse
from collections.abc import Callable, Mapping

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import YamlLexer

from poltergust.base.redaction import Redactor
from poltergust.base.text import exact, plain, size, span
from poltergust.dashboard.ansi import pieces
from poltergust.luigi_run.inside.ending import TRACEBACK, headline

_WITHOUT_SECRETS = Redactor(())
"""Credentials in addresses are masked wherever they stand."""


def finalize(value: object) -> object:
    """What every expression of a template passes: nothing for None, no control characters, no credentials in an
    address. Markup of the page's own is left as it is."""
    if value is None:
        return ""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return plain(_WITHOUT_SECRETS(value))
    return value


def address(base: str, name: str, **query: object) -> str:
    """``/runs/`` and a config's name, with the query's values that say something."""
    given = {key: str(value) for key, value in query.items() if value not in (None, "", False)}
    text = base + urllib.parse.quote(name, safe="/")
    return f"{text}?{urllib.parse.urlencode(given)}" if given else text


def moment(seconds: float) -> str:
    """``2026-02-03 04:05:06 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def machine_moment(seconds: float) -> str:
    """As the `datetime` of a time element wants it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def yaml(text: str) -> Markup:
    """Highlighted with classes; what pygments makes is escaped by it."""
    return Markup(highlight(plain(text), YamlLexer(), HtmlFormatter(nowrap=True)))  # noqa: S704  # pygments escapes what it is given


def failure_line(text: str) -> str:
    """The exception's type and first line, by the rule of a run's reason. Of a long failure only the end is kept, so
    that the line with which its traceback begins may be gone, and the next one be cut."""
    cut_traceback = TRACEBACK not in text and '\n  File "' in text
    return headline(f"{TRACEBACK}\n{text.partition(chr(10))[2]}" if cut_traceback else text)


def compact(number: float) -> str:
    """A coordinate of a drawing: two decimals at most."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


FILTERS: Mapping[str, Callable[..., object]] = {
    "ansi": pieces,
    "compact": compact,
    "exact": exact,
    "failure_line": failure_line,
    "machine_moment": machine_moment,
    "moment": moment,
    "shell": shlex.quote,
    "size": size,
    "span": span,
    "yaml": yaml,
}
