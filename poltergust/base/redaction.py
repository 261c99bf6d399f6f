"""Keep secrets out of everything that is written: logs, records, messages, posts.

Terminal codes are removed before secrets are looked for: a colour that begins inside of one must not hide it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

from poltergust.base.secret_forms import (
    MIN_GIVEN_SECRET,
    MIN_SECRET,
    URL_CREDENTIALS,
    SecretNames,
    forms,
    secrets_of,
)
from poltergust.base.text import CUT, by_colours, plain

MASK = "[redacted]"

KNOWN_NAMES = SecretNames()

_GRAM = 8
_LONG = 2 * _GRAM - 1
"""Characters from which on a form has a piece of `_GRAM` characters wherever one counts from."""
_MIN_PART = 16
"""Characters from which a line that is nothing but a piece of a secret is taken for one."""


def without_credentials(text: str) -> str:
    """`text` with the user and password of every URL in it masked."""
    return URL_CREDENTIALS.sub(f"://{MASK}@", text) if "@" in text else text


class Redactor:
    """Makes a text fit to be written: without terminal codes, and with secrets masked wherever and in whichever of
    their `forms` they occur, also what the cut of a message ("…") left of one. Secret are: in the given `environments`,
    what a name (`names`) or a URL's credentials mark as such; each of `secrets`; and the credentials of any URL in the
    text itself."""

    def __init__(
        self,
        environments: Iterable[Mapping[str, str]],
        secrets: Iterable[str] = (),
        *,
        names: SecretNames | None = None,
    ) -> None:
        self.names = names or KNOWN_NAMES
        pieces = {
            piece
            for environment in environments
            for name, value in environment.items()
            for piece in secrets_of(name, value, self.names)
            if len(piece) >= MIN_SECRET
        }
        pieces |= {secret for secret in secrets if len(secret) >= MIN_GIVEN_SECRET}
        # Longest first: a secret that contains another one is masked whole.
        self._forms = sorted(
            {form for piece in pieces for form in {*forms(piece), plain(piece)} if form}, key=len, reverse=True
        )

    @functools.cached_property
    def _values(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._forms)))

    @functools.cached_property
    def _grams(self) -> frozenset[str]:
        """Every piece of that many characters of the long forms. Each text that holds a long form has one of them at a
        multiple of that many characters: so a hundred forms are looked for with one look-up for each eight characters.
        """
        long = (form for form in self._forms if len(form) >= _LONG)
        return frozenset(form[at : at + _GRAM] for form in long for at in range(len(form) - _GRAM + 1))

    @functools.cached_property
    def _short_forms(self) -> tuple[str, ...]:
        return tuple(form for form in self._forms if len(form) < _LONG)

    @property
    def longest(self) -> int:
        """Characters of the longest form of a secret; 0 if there is none."""
        return len(self._forms[0]) if self._forms else 0

    def __call__(self, text: str) -> str:
        return self._masked(plain(text))

    def _masked(self, text: str) -> str:
        masked = without_credentials(text)
        if self._may_hold_one(masked):
            masked = self._values.sub(MASK, masked)
        return self._without_halves(masked) if CUT in masked else masked

    def _may_hold_one(self, text: str) -> bool:
        found = [text[at : at + _GRAM] for at in range(0, len(text) - _GRAM + 1, _GRAM)]
        return not self._grams.isdisjoint(found) or any(form in text for form in self._short_forms)

    def _without_halves(self, text: str) -> str:
        parts = text.split(CUT)
        return CUT.join([*(self._without_half(part) for part in parts[:-1]), parts[-1]])

    def _without_half(self, text: str) -> str:
        """`text` was cut at its end: without the beginning of a secret there."""
        length = self.begun(text)
        return text[:-length] + MASK if length >= MIN_SECRET else text

    def begun(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a secret."""
        lengths = (self._begun(text, form) for form in self._forms)
        return max(lengths, default=0)

    @staticmethod
    def _begun(text: str, form: str) -> int:
        longest = min(len(form) - 1, len(text))
        return next((length for length in range(longest, 0, -1) if text.endswith(form[:length])), 0)

    def without_beginning(self, line: str) -> str:
        """`line` without the first half, or more, of a secret at its end."""
        if line[-_GRAM:] in self._grams:
            for form in self._forms:
                length = self._begun(line, form)
                if length >= _GRAM and length * 2 >= len(form):
                    return line[:-length] + MASK
        return line

    def without_rest(self, before: str, line: str) -> str:
        """`line` without the rest of a secret that began in the line `before`; one that is nothing but a piece of a
        secret is masked whole."""
        if line[:_GRAM] not in self._grams:
            return line
        if len(line) >= _MIN_PART and any(len(line) < len(form) and line in form for form in self._forms):
            return MASK
        for form in self._forms:
            at = (before + line).find(form, max(0, len(before) - len(form)))
            if 0 <= at < len(before):
                return MASK + line[at + len(form) - len(before) :]
        return line


class LineRedactor:
    """Redacts one command's output line by line, also a secret that begins on one line and ends on the next: the lines
    of a key that a program wrapped, the pieces of a line that was too long.

    `piece` is the number of bytes at which a longer line is handed over in pieces. With `colours` they are left in
    lines, but where they stand inside of a secret. Not for several threads.
    """

    def __init__(self, redact: Redactor, piece: int, *, colours: bool = False) -> None:
        self._redact = redact
        self._colours = colours
        self._piece = piece - 4  # a piece may end earlier by the bytes of one character
        self._held = ""  # the end of a piece: it goes out with what follows
        self._before = ""  # the end of the line before

    def feed(self, line: str) -> str:
        """What can be written of the lines so far, as the next line."""
        clean = self._clean(plain(line))
        if self._colours and "\x1b" in line:
            coloured = by_colours(line, self._redact)
            if plain(coloured) == clean:  # else a colour stands inside of a secret
                return coloured
        return clean

    def _clean(self, line: str) -> str:
        text = self._held + line
        self._held = ""
        if len(line) * 4 >= self._piece and len(line.encode("utf-8", "replace")) >= self._piece:
            begun = self._redact.begun(text)
            if begun:
                text, self._held = text[:-begun], text[-begun:]
        bare = text.strip()
        clean = self._redact.without_rest(self._before, bare)
        if clean is not bare:
            text = text.replace(bare, clean, 1)
        self._before = bare[-self._redact.longest :]
        return self._redact.without_beginning(self._redact(text))

    def end(self) -> str:
        """What is still held back, empty if nothing is."""
        held, self._held = self._held, ""
        return self._redact(held)
