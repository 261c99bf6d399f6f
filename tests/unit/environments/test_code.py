"""Source that goes on PYTHONPATH: what is read of a place, and what is refused before anything is written."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import time
import zipfile
from pathlib import Path

import pytest

from poltergust.base.errors import Missing, NodeError, Permanent
from poltergust.base.reasons import Reason
from poltergust.documents import CodePlace, EnvironmentSpec
from poltergust.environments.code import bundle, places
from poltergust.environments.code.local import LocalCode
from tests.emulators.memory import Bucket, Fault, MemoryStore
from tests.security.users import NOBODY, acting_as, needs_root


def archive(**files: str) -> bytes:
    """A zip as a person makes it; `__` in a name is a slash."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, text in files.items():
            packed.writestr(name.replace("__", "/"), text)
    return made.getvalue()


def read(url: str, *written: str, bucket: Bucket | None = None) -> dict[str, bytes]:
    store = MemoryStore(bucket or Bucket(time.time))
    spec = EnvironmentSpec(url, {}, (), {}, code=tuple(CodePlace(text, line) for line, text in enumerate(written, 1)))
    return places.read(spec, lambda url: store)


def test_files_folders_and_archives_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "lib" / "package" / "__pycache__").mkdir(parents=True)
    (tmp_path / "lib" / ".git").mkdir()
    (tmp_path / "lib" / "venv").mkdir()
    for name in ("one.py", "lib/two.py", "lib/package/data.csv", "lib/package/__pycache__/x.pyc", "lib/.git/config",
                 "lib/.hidden", "lib/venv/pyvenv.cfg", "lib/venv/three.py"):  # fmt: skip
        (tmp_path / name).write_text(name)
    (tmp_path / "more.zip").write_bytes(archive(four="4", package__five="5"))
    found = read(f"{tmp_path}/environment/e.yaml", "../one.py", "../lib", "../more.zip")
    assert found == {
        "0/one.py": b"one.py",
        "1/two.py": b"lib/two.py",
        "1/package/data.csv": b"lib/package/data.csv",
        "2/four": b"4",
        "2/package/five": b"5",
    }


def test_files_folders_and_archives_of_a_bucket() -> None:
    bucket = Bucket(time.time)
    for key, data in {"one.py": b"1", "lib/": b"", "lib/two.py": b"2", "lib/package/": b"", "lib/package/x.csv": b"3",
                      "lib/.hidden": b"", "library/no.py": b"", "more.zip": archive(four="4")}.items():  # fmt: skip
        bucket.put(f"gs://b/code/{key}", data)
    found = read("gs://b/environment/e.yaml", "gs://b/code/one.py", "../code/lib/", "../code/more.zip", bucket=bucket)
    assert found == {"0/one.py": b"1", "1/two.py": b"2", "1/package/x.csv": b"3", "2/four": b"4"}


@pytest.mark.parametrize("place", ["none.py", "none.zip", "none/", "empty"])
@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_what_is_not_there_is_named_with_its_line(tmp_path: Path, kind: str, place: str) -> None:
    (tmp_path / "empty").mkdir()
    base = str(tmp_path) if kind == "folder" else "gs://b"
    with pytest.raises(Missing, match=f"code, line 1: {base}/{place.rstrip('/')}: there is no such ") as error:
        read(f"{base}/e.yaml", place)
    assert error.value.reason is Reason.CODE_MISSING


def test_a_file_of_another_kind_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "query.sql").write_text("select 1")
    bucket = Bucket(time.time)
    bucket.put("gs://b/code/query.sql", b"select 1")
    for url, place in ((f"{tmp_path}/e.yaml", "query.sql"), ("gs://b/e.yaml", "gs://b/code/query.sql")):
        with pytest.raises(Permanent, match=r"query\.sql is neither a \.py file nor a \.zip file") as caught:
            read(url, place, bucket=bucket)
        assert caught.value.reason is Reason.CODE_INVALID


@needs_root
@pytest.mark.parametrize("closed", ["code", "code/package"])
def test_a_folder_that_may_not_be_read_is_this_nodes_trouble(closed: str) -> None:
    """And nothing of it is left out: the bundle is for all nodes."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's are closed to other users
        (Path(folder) / "code" / "package").mkdir(parents=True)
        for name in ("code/one.py", "code/package/two.py"):
            (Path(folder) / name).write_text(name)
        for name in (".", "code", "code/package"):
            (Path(folder) / name).chmod(0o700 if name == closed else 0o755)
        with acting_as(NOBODY), pytest.raises(NodeError, match=f"{closed}: Permission denied") as caught:
            read(f"{folder}/e.yaml", "code")
    assert caught.value.reason is Reason.ENVIRONMENT_DENIED


def test_a_bucket_that_may_not_be_read_is_this_nodes_trouble() -> None:
    store = MemoryStore(Bucket(time.time), lambda call: Fault.DENIED)
    spec = EnvironmentSpec("gs://b/e.yaml", {}, (), {}, code=(CodePlace("gs://other/a.py", 3),))
    with pytest.raises(NodeError, match="code, line 3: "):
        places.read(spec, lambda url: store)


@pytest.mark.parametrize("target", ["/etc/passwd", "two.py", "."])
def test_a_symbolic_link_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "two.py").touch()
    (tmp_path / "lib" / "link").symlink_to(target)
    with pytest.raises(Permanent, match="holds the symbolic link 'link'; put there what it stands for"):
        read(f"{tmp_path}/e.yaml", "lib")


def linked() -> bytes:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr(info, "/etc/passwd")
    return made.getvalue()


def lying(size: int) -> bytes:
    """An archive that states a small size for a large file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("big", bytes(size))
    return made.getvalue().replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (archive(**{"../up.py": ""}), "holds a file of the name '../up.py', which cannot be used"),
        (archive(**{"/etc/cron.d/x": ""}), "holds a file of the name '/etc/cron.d/x', which cannot be used"),
        (archive(**{"a/./b": ""}), "which cannot be used"),
        (archive(**{"a\\..\\b": ""}), "which cannot be used"),
        (archive(**{"a\nb": ""}), "which cannot be used"),
        (archive(**{"x" * 256: ""}), "which cannot be used"),
        (archive(**{"a": "", "a/b": ""}), "holds 'a' both as a file and as a folder"),
        (linked(), "holds 'link', which is no regular file"),
        (b"PK no zip", "is not a zip archive that can be read"),
        (archive(a="x")[:-30], "is not a zip archive that can be read"),
        (lying(1000), "is not a zip archive that can be read"),
        (archive(**{f"f{number}": "" for number in range(bundle.MAX_FILES + 1)}), "holds more than 5,000 files"),
    ],
    ids=range(12),
)
def test_a_hostile_archive_is_refused_whole(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(Permanent) as error:
        read(f"{tmp_path}/e.yaml", "a.zip")
    assert error.value.reason is Reason.CODE_INVALID
    assert str(error.value).startswith(f"code, line 1: {tmp_path}/a.zip ")
    assert says in str(error.value)


def test_an_archive_that_unpacks_to_gigabytes_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(3):
            packed.writestr(f"zeros-{number}", bytes(bundle.MAX_BYTES // 2))
    assert len(made.getvalue()) < 1024 * 1024
    with pytest.raises(bundle.Unusable, match="holds more than 64 MiB"):
        bundle.unpack(made.getvalue())


def test_the_digest_is_of_names_and_content() -> None:
    files = {"0/a": b"1", "0/b": b"2"}
    assert (
        bundle.digest(files)
        == bundle.digest(dict(reversed(files.items())))
        == bundle.digest(bundle.unpack(bundle.pack(files)))
    )
    others = ({"0/a": b"2", "0/b": b"1"}, {"0/a": b"1"}, {"0/a": b"1", "1/b": b"2"}, {"0/a1": b"", "0/b": b"2"})
    assert len({bundle.digest(each) for each in (files, *others)}) == 5


def test_places_go_on_the_path_in_their_order(tmp_path: Path) -> None:
    files = {f"{number}/m.py": b"" for number in range(12)}
    assert [path.name for path in bundle.write(files, tmp_path / "code")] == [str(number) for number in range(12)]


def test_what_was_not_used_for_long_leaves_the_machine(tmp_path: Path) -> None:
    local = LocalCode(tmp_path / "code", max_bytes=250, max_age_seconds=1000.0)
    names = [character * 64 for character in "abcd"]
    local.put(names[0], bytes(100))
    os.utime(tmp_path / "code" / f"{names[0]}.zip", (0, time.time() - 2000))
    for name in names[1:]:
        local.put(name, bytes(100))
        os.utime(tmp_path / "code" / f"{name}.zip", (0, time.time() - 100 + names.index(name)))
    assert [local.get(name) is not None for name in names] == [False, False, True, True]
