"""What a line names: where it is, and what of it makes another environment."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from poltergust.environments import Dependency
from poltergust.environments.downloads import Downloads
from poltergust.environments.origins import Origins
from tests.emulators.memory import Bucket, MemoryStore


@pytest.mark.parametrize(
    ("file", "another"),
    [
        ("package/module.py", True),
        ("package/build/steps.py", True),
        ("package/dist/__init__.py", True),
        ("build/lib/package/module.py", False),
        ("dist/package-1.tar.gz", False),
        ("venv/pyvenv.cfg", False),
        ("package.egg-info/PKG-INFO", False),
        ("package/__pycache__/module.pyc", False),
    ],
)
def test_a_change_of_source_is_another_environment_and_what_a_build_leaves_is_not(
    tmp_path: Path, file: str, another: bool
) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[project]\nname = 'package'\n")
    identities = set()
    for text in ("first", "the second"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
        [placed] = Origins(None).place([Dependency("./code", 1)], f"{tmp_path}/e.yaml", {})
        identities.add(placed.identity)
    assert (len(identities) == 2) is another


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("gs://b/e.yaml", ".wheels/zeta-1.0-py3-none-any.whl"),
        ("gs://b/environment/e.yaml", "../.wheels/zeta-1.0-py3-none-any.whl"),
        ("gs://b/.wheels/e.yaml", "./zeta-1.0-py3-none-any.whl"),
        ("gs://b/environment/e.yaml", "../../../.wheels/zeta-1.0-py3-none-any.whl"),
    ],
)
def test_a_name_with_a_dot_in_a_bucket_is_taken_as_it_is(tmp_path: Path, url: str, text: str) -> None:
    bucket = Bucket(time.time)
    bucket.put("gs://b/.wheels/zeta-1.0-py3-none-any.whl", b"a wheel")
    [placed] = Origins(Downloads(tmp_path, MemoryStore(bucket))).place([Dependency(text, 1)], url, {})
    assert Path(placed.line.requirement).read_bytes() == b"a wheel"
