"""What a run was made from: the two files and the exact versions, as text for a page, without what they keep secret."""

from __future__ import annotations

from dataclasses import dataclass

from poltergust.base.errors import PoltergustError
from poltergust.base.redaction import Redactor
from poltergust.base.secret_forms import SecretNames
from poltergust.documents import MAX_BYTES, named_values, parse_environment_file, parse_task_file
from poltergust.path.layout import resolve, valid_node
from poltergust.path.reading.model import environment_of
from poltergust.path.reading.reader import Reader
from poltergust.path.state import PathState
from poltergust.stores import StoreError, Stores


@dataclass(frozen=True)
class SourceFile:
    """`text` is "" where `problem` says why it is not shown."""

    url: str
    text: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ShownFiles:
    """`environment` None where the task file does not say which; `lock` None where no node has published one."""

    config: SourceFile
    environment: SourceFile | None = None
    lock: SourceFile | None = None


def redactor_of(stores: Stores, reader: Reader, name: str, secret_names: SecretNames) -> Redactor | None:
    """One that knows what the two files of that config keep secret, as the nodes' own ones do; None where one of the
    files cannot be read. Blocks."""
    found = reader.current(name)
    if found is None:
        return None
    blob = found[1]
    try:
        task = parse_task_file(blob.data, blob.url)
        url = resolve(task.environment, blob.url)
        spec = parse_environment_file(stores.read(url, limit=MAX_BYTES).data, url)
    except PoltergustError:
        return None
    return Redactor((*named_values(spec), *named_values(task)), names=secret_names)


def files_of(
    state: PathState, stores: Stores, reader: Reader, name: str, secret_names: SecretNames
) -> ShownFiles | None:
    """Of what stands at that name; None where nothing does. Blocks."""
    found = reader.current(name)
    if found is None:
        return None
    blob = found[1]
    try:
        task = parse_task_file(blob.data, blob.url)
        environment_url = resolve(task.environment, blob.url)
    except PoltergustError as error:  # what is secret in it nobody can say, so none of it is shown
        return ShownFiles(SourceFile(blob.url, problem=str(error)))
    redact = Redactor(named_values(task), names=secret_names)
    config = SourceFile(blob.url, redact(blob.data.decode("utf-8", "replace")))
    return ShownFiles(config, _environment(stores, environment_url, secret_names), _lock(state, reader, name))


def _environment(stores: Stores, url: str, secret_names: SecretNames) -> SourceFile:
    # Shown only if it is one: whoever writes a config could name any file that this machine can read.
    try:
        data = stores.read(url, limit=MAX_BYTES).data
        spec = parse_environment_file(data, url)
    except StoreError as error:
        return SourceFile(url, problem=str(error))
    except PoltergustError:
        return SourceFile(url, problem="not shown, because it is no sound environment file; the command check says why")
    redact = Redactor(named_values(spec), names=secret_names)
    return SourceFile(url, redact(data.decode("utf-8", "replace")))


def _lock(state: PathState, reader: Reader, name: str) -> SourceFile | None:
    config = reader.config(name)
    known = None if config is None else environment_of(config)
    if known is None or not known.lock:
        return None
    key = known.lock.partition("@")[0]
    if not valid_node(key):  # a record may have been written by anybody, and this becomes part of a path
        return None
    try:
        text = state.locks.get(key)
    except PoltergustError as error:
        return SourceFile(state.path.lock(key), problem=str(error))
    return None if text is None else SourceFile(state.path.lock(key), Redactor(())(text))
