"""Read the places that `code` names: `.py` files, `.zip` files and folders, of a bucket or of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from poltergust.base.errors import Missing, NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.base.urls import is_cloud
from poltergust.documents import CodePlace
from poltergust.environments import EnvironmentSpec, Objects
from poltergust.environments.code import bundle
from poltergust.environments.code.bundle import Unusable
from poltergust.path.layout import resolve
from poltergust.stores import Denied, NotFound

_READS_AT_A_TIME = 8
_IS_VIRTUALENV = "pyvenv.cfg"


def read(spec: EnvironmentSpec, objects_of: Callable[[str], Objects]) -> dict[str, bytes]:
    """All files of `spec.code`, those of the first place below ``0/``, and so on.

    Raises `Missing` for what is not there, `Permanent` for what cannot go on PYTHONPATH, `NodeError` for what this node
    may not read, and what the storage raises.
    """
    files: dict[str, bytes] = {}
    size = 0
    for number, place in enumerate(spec.code):
        where = resolve(place.text, spec.url)
        try:
            found = _place(where, place, objects_of)
            bundle.check_names(found)
            files |= {f"{number}/{name}": data for name, data in found.items()}
            size += sum(map(len, found.values()))
            bundle.check_count(len(files))
            bundle.check_size(size)
        except Unusable as error:
            raise Permanent(Reason.CODE_INVALID, f"code, line {place.line}: {where} {error}") from None
        except Denied as error:
            raise NodeError(Reason.ENVIRONMENT_DENIED, f"code, line {place.line}: {error}") from error
    return files


def _place(where: str, place: CodePlace, objects_of: Callable[[str], Objects]) -> dict[str, bytes]:
    name = where.rsplit("/", 1)[1]
    if name.endswith((".py", ".zip")) and not place.text.endswith("/"):
        data = _object(where, objects_of(where)) if is_cloud(where) else _file(Path(where))
        if data is None:
            raise Missing(Reason.CODE_MISSING, f"code, line {place.line}: {where}: there is no such file", where)
        bundle.check_size(len(data))
        return bundle.unpack(data) if name.endswith(".zip") else {name: data}
    found = _objects(where, objects_of(where)) if is_cloud(where) else _folder(Path(where))
    if not found and _is_file(where, objects_of):
        raise Unusable("is neither a .py file nor a .zip file nor a folder; name the folder that holds it")
    if not found:
        text = f"code, line {place.line}: {where}: there is no such folder with files in it"
        raise Missing(Reason.CODE_MISSING, text, where)
    return found


def _is_file(where: str, objects_of: Callable[[str], Objects]) -> bool:
    return _object(where, objects_of(where), limit=0) is not None if is_cloud(where) else os.path.isfile(where)


def _object(url: str, objects: Objects, limit: int = bundle.MAX_BYTES) -> bytes | None:
    try:
        return objects.read(url, limit=limit).data
    except NotFound:
        return None


def _objects(url: str, objects: Objects) -> dict[str, bytes]:
    prefix = url.rstrip("/") + "/"
    entries = []
    for entry in objects.list(prefix):
        name = entry.url[len(prefix) :]
        if name and not name.endswith("/") and _is_source(name):  # a console makes "folders" of empty objects
            entries.append((name, entry))
            bundle.check_count(len(entries))
    bundle.check_size(sum(entry.size for _, entry in entries))
    bundle.check_names(name for name, _ in entries)
    with ThreadPoolExecutor(_READS_AT_A_TIME, thread_name_prefix="code") as pool:
        contents = pool.map(lambda one: _object(one[1].url, objects), entries)
        return {name: data for (name, _), data in zip(entries, contents, strict=True) if data is not None}


def _file(path: Path) -> bytes | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unusable("is no regular file")
        with path.open("rb") as file:
            return file.read(bundle.MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise Denied(f"{path}: {error.strerror}") from error


def _folder(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    size = 0
    for path in _source_files(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise Unusable(f"holds the symbolic link {name!r}; put there what it stands for, or leave it out")
        data = _file(path)
        if data is not None:  # else it vanished between listing and reading
            found[name] = data
            size += len(data)
            bundle.check_count(len(found))
            bundle.check_size(size)
    return found


def _source_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        if _IS_VIRTUALENV in files:
            folders.clear()
            continue
        kept = [name for name in folders if _is_source(name)]
        # A link to a folder is not followed: it is among the files, where it is refused.
        links = [name for name in kept if os.path.islink(os.path.join(parent, name))]
        folders[:] = sorted(set(kept) - set(links))
        yield from (Path(parent, name) for name in sorted([*files, *links]) if _is_source(name))


def _refuse(error: OSError) -> None:
    """Of a folder that cannot be listed; one that is not there is an empty one."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise Denied(f"{error.filename}: {error.strerror}") from error


def _is_source(name: str) -> bool:
    """Not what Python, an editor or a version control system keeps for itself."""
    return not name.endswith(".pyc") and not any(
        (part.startswith(".") and part not in (".", "..")) or part == "__pycache__" for part in name.split("/")
    )
