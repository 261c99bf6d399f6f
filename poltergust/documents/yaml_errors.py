"""What to do about text that is not YAML, from where PyYAML stopped reading and what stands there.

PyYAML's errors have a class, the place where it stopped (`problem_mark`) and mostly the place where the construct began
(`context_mark`); the character at each says which construct it was. PyYAML's own sentences are not passed on: they may
quote a piece of a secret value. One of them is read, because nothing else tells its case apart.
"""

from __future__ import annotations

import yaml
from yaml.scanner import ScannerError

from poltergust.base.reasons import Reason
from poltergust.documents.mistakes import DocumentError, Location, mistake

_NO_COLON = "could not find expected ':'"
"""PyYAML's words for a key without its colon: a key may begin with a quote, as text without its closing quote does."""

_QUOTE_IT = "put quotes around text that begins with this character"

_NOT_HERE = {
    "\t": "indent with spaces, not with a tab",
    ":": 'put quotes around a value that holds ": ", or correct the indentation',
    "?": 'put quotes around a value that begins with "? "',
    "-": 'a list begins on a line of its own; quote text that begins with "- "',
}
"""The character that cannot stand where it stands."""

_BEGUN_WITH = {
    "&": 'put quotes around text that begins with "&"',
    "*": 'put quotes around text that begins with "*"',
    "!": 'put quotes around text that begins with "!"',
    "%": 'put quotes around text that begins with "%"',
    "|": 'put quotes around text that begins with "|" or ">"',
    ">": 'put quotes around text that begins with "|" or ">"',
}
"""The character with which the construct began that PyYAML could not read to its end."""


def syntax_mistake(error: yaml.MarkedYAMLError, text: str, source: str) -> DocumentError:
    """The error to raise for `text`, which was read from `source`."""
    stopped, began = error.problem_mark, error.context_mark
    at_stop, at_begin = _character(text, stopped), _character(text, began)
    at = stopped or began
    if _NO_COLON in (error.problem or ""):
        at, hint = began or stopped, 'a line without ": " where a key and its value belong'
    elif isinstance(error, ScannerError) and began is None:
        hint = _NOT_HERE.get(at_stop, _QUOTE_IT)
    elif isinstance(error, ScannerError) and at_begin and at_begin in "'\"":
        if at_stop and stopped is not None and stopped.column > 0:
            hint = "no such escape in double quotes; single quotes take a \\ as it is"
        else:  # PyYAML read on to the end of the file or of the document
            at, hint = began, "these quotes are not closed"
    elif isinstance(error, ScannerError):
        hint = _BEGUN_WITH.get(at_begin, "the structure breaks here")
    elif at_begin and at_begin in "[{":
        at, hint = began, 'this "[" or "{" is not closed, or a comma is missing; put quotes around such text'
    elif at_stop == "!":
        hint = _BEGUN_WITH["!"]
    elif began is None and at_stop == "%":
        hint = "only %YAML 1.x is read"
    elif began is None:
        hint = "this stands outside the one document of the file; correct its indentation"
    elif at_stop and at_stop in "]},:-" and stopped is not None and stopped.index == began.index:
        hint = _QUOTE_IT  # a value was to begin here
    elif _begins_its_line(text, stopped):
        hint = "the indentation does not fit the lines above"
    else:
        hint = "text after the end of a quoted text or alias; put one pair of quotes around it all"
    where = Location(source, at.line + 1, at.column + 1) if at else Location(source)
    return mistake(where, Reason.INVALID_YAML, f"not valid YAML: {hint}")


def _character(text: str, mark: yaml.Mark | None) -> str:
    """The character there; empty at the end of the text."""
    return "" if mark is None else text[mark.index : mark.index + 1]


def _begins_its_line(text: str, mark: yaml.Mark | None) -> bool:
    return mark is None or not text[mark.index - mark.column : mark.index].strip()
