"""Installers: the command lines of uv and pip. Requirements go by file, never as arguments: they may name secrets.

uv comes with Poltergust. pip is not seeded into environments: one that fits the environment's Python is put beside the
cache once, and run from there by the environment's own interpreter (the way `pip --python` works).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uv

from poltergust.environments import failures
from poltergust.environments.commands import CommandResult, CommandRunner
from poltergust.environments.interpreters import Interpreter
from poltergust.environments.leases import lease
from poltergust.environments.lines import Line
from poltergust.environments.uv_settings import UvSettings


def python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


@dataclass(frozen=True)
class Uv:
    """uv with this build's settings. `cache` is uv's own, shared by all builds of this machine (safe by its design)."""

    run: CommandRunner
    settings: UvSettings
    cache: Path
    refresh: tuple[str, ...] = ()

    @property
    def env(self) -> dict[str, str]:
        own = {"UV_CACHE_DIR": str(self.cache)} if not self.run.env.get("UV_CACHE_DIR") else {}
        return {**own, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1", **self.settings.env}

    def install(self, folder: Path, requirements: Path, *, require_hashes: bool) -> CommandResult:
        """Exactly what `requirements` names, no dependencies, into the environment in `folder`.

        A hash that stands there is checked in any case; `require_hashes` refuses what has none.
        """
        uv = self
        if require_hashes:  # uv would ask them of a constraint too, which the resolution has heeded already
            env = {**self.settings.env, "UV_CONSTRAINT": "", "UV_REQUIRE_HASHES": "1"}
            uv = replace(self, settings=replace(self.settings, env=env))
        return uv._pip("install", str(python_of(folder)), ["--no-deps", f"--requirements={requirements}"])

    def resolve(self, interpreter: Interpreter, requirements: Path, output: Path) -> CommandResult:
        """Exact versions of everything into `output`, with hashes."""
        options = ["--no-header", "--no-annotate", "--generate-hashes", "--no-strip-extras", "--quiet"]
        return self._without("--require-hashes")._pip(
            "compile", interpreter.path, [*options, f"--output-file={output}", str(requirements)]
        )

    def into_folder(self, interpreter: Interpreter, requirement: str, target: Path) -> CommandResult:
        """What this file demands of its own packages is not demanded of a tool."""
        tool = self._without("--require-hashes", "--prerelease")
        free = dict.fromkeys(("UV_CONSTRAINT", "UV_BUILD_CONSTRAINT"), "")
        tool = replace(tool, settings=replace(tool.settings, env={**tool.settings.env, **free}))
        return tool._pip("install", interpreter.path, [f"--target={target}", requirement])

    def _without(self, *options: str) -> Uv:
        kept = [argument for argument in self.settings.arguments if argument.partition("=")[0] not in options]
        return replace(self, settings=replace(self.settings, arguments=kept))

    def free(self) -> None:
        """Give the disk back: everything here can be downloaded again. Environments keep their (linked) files."""
        self.run([uv.find_uv_bin(), "cache", "clean"], env=self.env, quiet=True)

    def _pip(self, command: str, python: str, rest: Sequence[str]) -> CommandResult:
        argv = [uv.find_uv_bin(), "pip", command, f"--python={python}", *self.settings.arguments, *self.refresh, *rest]
        return self.run(argv, env=self.env)


@dataclass(frozen=True)
class Pip:
    """pip from `home` (a folder that holds the package), run by an environment's Python. pip reads its own settings."""

    run: CommandRunner
    home: Path

    def install(
        self,
        folder: Path,
        requirements: Path,
        *,
        options: Sequence[str] = (),
        constraints: Sequence[Path] = (),
    ) -> CommandResult:
        argv = [str(python_of(folder)), str(self.home / "pip"), "install", "--no-color", "--progress-bar=off"]
        argv += [*options, *(f"--constraint={path}" for path in constraints), f"--requirement={requirements}"]
        ended = self.run(argv)
        if ended.ok or not any("(from versions: none)" in line for line in ended.lines):
            return ended
        return CommandResult(ended.exit, (*ended.lines, *self._unreported(argv, requirements.with_suffix(".log"))))

    def _unreported(self, argv: Sequence[str], log: Path) -> list[str]:
        """Why pip found no release at all: that an index could not be reached stands only in its log (pip 26), and
        with a log it no longer says why a build failed. So ask again; it fails as quickly as before."""
        self.run([*argv, f"--log={log}"], quiet=True)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        return [self.run.redact(line.strip()) for line in lines if "Could not fetch URL" in line][-3:]


def pip_for(interpreter: Interpreter, tools: Path, through: Uv) -> Pip:
    """pip's newest release that serves this Python, installed once per Python below `tools`."""
    home = tools / f"pip-{interpreter.implementation}-{interpreter.minor}"
    if not (home / "pip" / "__main__.py").is_file():
        with lease(home.with_suffix(".lock")) as held:
            held.exclusive(through.run.cancelled)
            if not (home / "pip" / "__main__.py").is_file():
                _install_pip(interpreter, home, through)
    return Pip(through.run, home)


def _install_pip(interpreter: Interpreter, home: Path, through: Uv) -> None:
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as temporary:
        target = Path(temporary, "pip")
        ended = through.into_folder(interpreter, "pip", target)
        if not ended.ok:
            raise failures.of_install(ended, (), "pip itself (this file's lines need it)")
        target.rename(home)


def write_requirements(path: Path, lines: Sequence[Line], more: Sequence[str] = ()) -> Path:
    """A requirements file; variables stay unexpanded in it."""
    path.write_text("".join(f"{text}\n" for text in [*(line.install_text for line in lines), *more]), encoding="utf-8")
    return path
