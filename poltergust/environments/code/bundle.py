"""A bundle: all files of one environment's `code` as one value. `0/helpers.py` is of the first place, and so on.

The digest is of the content and not of the archive: two versions of zlib make different archives of the same files.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

Files = Mapping[str, bytes]
"""Content by relative name, with slashes."""

MAX_FILES = 5_000
MAX_BYTES = 64 * 1024 * 1024
"""Of all content: source is small, and data belongs in a bucket."""

MAX_COMPONENT_BYTES, MAX_NAME_BYTES, MAX_DEPTH = 255, 1024, 32

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_NOT_A_CHARACTER = frozenset({"Cc", "Cs", "Zl", "Zp"})


class Unusable(ValueError):
    """What is wrong with files, in words that follow the place they came from."""


def digest(files: Files) -> str:
    """Equal for equal names and content, on every machine; 64 hexadecimal digits."""
    found = hashlib.sha256()
    for name in sorted(files):
        encoded, data = name.encode(), files[name]
        found.update(b"%d:%s%d:" % (len(encoded), encoded, len(data)))
        found.update(data)
    return found.hexdigest()


def pack(files: Files) -> bytes:
    """As a zip archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            packed.writestr(zipfile.ZipInfo(name, _EPOCH), files[name], zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def unpack(archive: bytes) -> dict[str, bytes]:
    """The files in a zip archive, checked. Raises `Unusable`."""
    files: dict[str, bytes] = {}
    size = 0
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            check_count(len(packed.infolist()))
            for info in packed.infolist():
                if info.is_dir():
                    continue
                kind = info.external_attr >> 16
                if info.flag_bits & 1:
                    raise Unusable("is encrypted; pack it without a password")
                if stat.S_IFMT(kind) not in (0, stat.S_IFREG):
                    raise Unusable(f"holds {info.filename!r}, which is no regular file; pack what it stands for")
                if info.filename in files:
                    raise Unusable(f"holds {info.filename!r} twice")
                with packed.open(info) as file:  # the sizes that an archive states may be lies
                    data = file.read(MAX_BYTES - size + 1)
                size += len(data)
                check_size(size)
                files[info.filename] = data
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise Unusable(f"is not a zip archive that can be read ({error})") from None
    check_names(files)
    return files


def check_count(count: int) -> None:
    if count > MAX_FILES:
        raise Unusable(f"holds more than {MAX_FILES:,} files; keep data elsewhere")


def check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise Unusable(f"holds more than {MAX_BYTES // 1024**2} MiB; keep data elsewhere")


def check_names(names: Iterable[str]) -> None:
    """Every name stays below the folder it is written into, and none is both a file and a folder. Raises `Unusable`."""
    known = set(names)
    for name in known:
        parts = name.split("/")
        if (
            any(part in ("", ".", "..") or len(_encoded(part)) > MAX_COMPONENT_BYTES for part in parts)
            or any(unicodedata.category(character) in _NOT_A_CHARACTER or character == "\\" for character in name)
            or len(_encoded(name)) > MAX_NAME_BYTES
            or len(parts) > MAX_DEPTH
        ):
            raise Unusable(f"holds a file of the name {name[:100]!r}, which cannot be used; rename it")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in known:
                raise Unusable(f"holds {'/'.join(parts[:depth])!r} both as a file and as a folder; rename one")


def write(files: Files, folder: Path) -> list[Path]:
    """Write them into `folder`, which is made, and return what goes on PYTHONPATH, in order.

    Raises OSError; `files` were checked.
    """
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return [folder / place for place in sorted({name.split("/", 1)[0] for name in files}, key=int)]


def _encoded(text: str) -> bytes:
    return os.fsencode(text) if text.isascii() else text.encode("utf-8", "surrogatepass")
