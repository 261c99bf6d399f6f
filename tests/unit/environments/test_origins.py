"""What of a folder that a line names makes another environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from poltergust.environments import Dependency
from poltergust.environments.origins import Origins


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
