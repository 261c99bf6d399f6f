"""Start `poltergust listen` as a user would, in a process of its own, and see what becomes of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests import needs
from tests.emulators.servers import stop, wait_until

POLTERGUST = Path(sys.executable).with_name("poltergust")
PIPELINES = Path(__file__).with_name("pipelines")


class Node:
    """A running agent. `log` is everything it wrote to its terminal."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = 60.0) -> int:
        """Its exit code; AssertionError with its log if it does not end."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the node did not end within {timeout:g} s:\n{self.log}") from None

    def until(self, text: str, timeout: float = 60.0) -> None:
        """Wait until it said `text`."""
        ended = self.process.poll
        try:
            wait_until(lambda: text in self.log or ended() is not None, f"the node to say {text!r}", timeout)
        finally:
            if text not in self.log:
                print(self.log)  # noqa: T201 - pytest shows it with the failure
        assert text in self.log, f"the node ended without saying {text!r}"


@contextlib.contextmanager
def node(
    arguments: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    ready: bool = True,
    command: Sequence[str] = (),
) -> Iterator[Node]:
    """`poltergust ARGUMENTS` in `cwd`, with `env` on top of this process's and the tests' pipelines importable; started
    through `command`, which has to exec it."""
    full = {**os.environ, "PYTHONPATH": str(PIPELINES), **(env or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, str(POLTERGUST), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=full,
            cwd=cwd,
            start_new_session=True,
        )
    running = Node(process, log)
    try:
        if ready:
            running.until("is listening to")
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
        stop(process)


def on_another_machine() -> list[str]:
    """A `command` for `node`: as far as locks of this machine can tell, the agent runs on another one."""
    unshare = needs.program("unshare", "apt-get install util-linux")
    enter = [unshare, "--user", "--map-root-user", "--mount"]
    if subprocess.run([*enter, "true"], capture_output=True, timeout=30, check=False).returncode:
        needs.missing("the right to mount in a namespace", "sysctl kernel.unprivileged_userns_clone=1")
    folder = "/tmp/poltergust-0"
    return [*enter, "sh", "-c", f'mkdir -p {folder} && mount -t tmpfs -o mode=700 tmpfs {folder} && exec "$@"', "sh"]


def descendants_with(text: str) -> list[str]:
    """Command lines of all processes on this machine that have `text` in their environment or arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue  # gone meanwhile, or not ours
        if text.encode() in command + environment:
            found.append(f"{folder.name}: {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found
