"""Small real packages made by the tests: wheels, an sdist, source folders with a build backend of their own (nothing to
download), and git repositories that a plain web server can serve."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from virtualenv.seed.wheels import embed

BACKEND = """
import base64, hashlib, os, zipfile

NAME, VERSION, MODULE = {name!r}, {version!r}, {module!r}


def _write(folder, editable):
    wheel = f"{{MODULE}}-{{VERSION}}-py3-none-any.whl"
    info = f"{{MODULE}}-{{VERSION}}.dist-info"
    files = {{f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
             f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}}
    if editable:
        files[f"{{MODULE}}.pth"] = os.getcwd() + "\\n"
    else:
        files[f"{{MODULE}}.py"] = open(f"{{MODULE}}.py").read()
    records = []
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            records.append(f"{{path}},sha256={{digest}},{{len(text.encode())}}")
        archive.writestr(f"{{info}}/RECORD", "\\n".join([*records, f"{{info}}/RECORD,,"]) + "\\n")
    return wheel


def build_wheel(folder, config_settings=None, metadata_directory=None):
    return _write(folder, False)


def build_editable(folder, config_settings=None, metadata_directory=None):
    return _write(folder, True)


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_editable = get_requires_for_build_wheel
"""


def wheel(folder: Path, name: str, version: str, *, body: str = "", requires: Sequence[str] = ()) -> Path:
    """A pure wheel with one module whose text is `body`."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{module}.py": body or f"version = {version!r}\n",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {item}\n" for item in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        records = []
        for file, text in files.items():
            archive.writestr(file, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            records.append(f"{file},sha256={digest},{len(text.encode())}")
        archive.writestr(f"{info}/RECORD", "\n".join([*records, f"{info}/RECORD,,"]) + "\n")
    return path


def source(folder: Path, name: str, version: str, *, body: str = "") -> Path:
    """A source folder that builds without any download."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in _source_files(name, version, body).items():
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def sdist(folder: Path, name: str, version: str, *, body: str = "", backend: str = "") -> Path:
    """`backend` replaces the build backend's text."""
    folder.mkdir(parents=True, exist_ok=True)
    top = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{top}.tar.gz"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {**_source_files(name, version, body), "PKG-INFO": metadata}
    if backend:
        files["backend.py"] = backend
    with tarfile.open(path, "w:gz") as archive:
        for file, text in files.items():
            entry = tarfile.TarInfo(f"{top}/{file}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def _source_files(name: str, version: str, body: str) -> Mapping[str, str]:
    module = name.replace("-", "_")
    return {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
        "backend.py": BACKEND.format(name=name, version=version, module=module),
        f"{module}.py": body or f"version = {version!r}\n",
    }


def bundled_pip(folder: Path) -> None:
    """pip itself for an index: the one that virtualenv ships."""
    bundled = max(Path(embed.BUNDLE_FOLDER).glob("pip-*.whl"))
    (folder / bundled.name).write_bytes(bundled.read_bytes())


def git_repository(folder: Path, name: str, version: str, *, body: str = "") -> Path:
    """A bare repository that a plain web server can serve (git's dumb protocol), with one commit on `main`."""
    work = source(folder.parent / f"{folder.name}.work", name, version, body=body)
    _git(work, "init", "-q", "-b", "main")
    commit(work, folder)
    return folder


def commit(work: Path, bare: Path) -> str:
    """Commit everything in `work` and publish it as `bare`; the commit's hash."""
    _git(work, "add", "-A")
    _git(work, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "change")
    if bare.exists():
        _git(bare, "fetch", "-q", str(work), "+main:main")
    else:
        _git(work, "clone", "-q", "--bare", str(work), str(bare))
    _git(bare, "update-server-info")
    return _git(work, "rev-parse", "HEAD").strip()


def _git(folder: Path, *arguments: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout
