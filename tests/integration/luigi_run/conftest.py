"""A luigid, an interpreter with luigi, and runs started as the agent starts them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from poltergust.luigi_run import Argument, Report, Request
from poltergust.luigi_run.give_back import give_back
from poltergust.luigi_run.launch import Launcher, LuigiProcess
from poltergust.luigi_run.scheduler import SchedulerClient
from poltergust.luigi_run.warm_starts import WarmStarts
from poltergust.processes.child import SupervisedChild, spawn
from tests import needs
from tests.emulators.servers import free_port, port_open, running

HERE = Path(__file__).parent
TIMEOUT = 90.0  # seconds that any run of these tests may take on a busy machine

LUIGID = """
[scheduler]
record_task_history = false
state_path = {folder}/state.pickle
prune_on_get_work = true
[core]
no_configure_logging = false
"""


@pytest.fixture(scope="session")
def scheduler_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One luigid with Luigi's default delays for all tests: each has tasks of its own (the `mark` parameter)."""
    folder = tmp_path_factory.mktemp("luigid")
    (folder / "luigi.cfg").write_text(LUIGID.format(folder=folder))
    port = free_port()
    with running(
        [str(Path(sys.executable).with_name("luigid")), "--address", "127.0.0.1", "--port", str(port)],
        ready=lambda: port_open(port),
        log=folder / "log",
        env={**os.environ, "LUIGI_CONFIG_PATH": str(folder / "luigi.cfg")},
        cwd=folder,
    ):
        yield f"http://127.0.0.1:{port}"


@dataclass
class Started:
    """A run and what it said."""

    run: LuigiProcess
    worker: str = ""
    lines: list[str] = field(default_factory=list)
    forgiven: threading.Event = field(default_factory=threading.Event)

    def report(self) -> Report:
        report = self.run.result(TIMEOUT)
        assert report is not None, "no result in time:\n" + "\n".join(self.lines[-50:])
        return report

    @property
    def forked(self) -> bool:
        """Whether it was a warm start."""
        child = self.run._child
        assert isinstance(child, SupervisedChild)
        return child._supervisor is None

    @property
    def log(self) -> str:
        return "\n".join(self.lines)


@dataclass
class Node:
    """Starts runs in a folder of its own, with a shared folder for the tasks' files."""

    python: Path
    scheduler_url: str
    shared: Path
    scratch: Path
    warm: WarmStarts | None
    count: int = 0
    started: list[Started] = field(default_factory=list)

    def start(
        self,
        task: str,
        *,
        module: str = "pipeline",
        arguments: Mapping[str, str | None] | tuple[Argument, ...] = {},
        env: Mapping[str, str] = {},
        files: Mapping[str, str] = {},
        scheduler_url: str | None = None,
        worker: str | None = None,
        budget: int = 1,
        preload: tuple[str, ...] = (),
        reset_failures: bool = False,
        dead_workers: tuple[str, ...] = (),
        run: str = "",
        idle: float = 8.0,
        agent_lives: bool = True,
        shared_env: Mapping[str, str] = {},
    ) -> Started:
        """`env` are the run's own variables, `shared_env` those of all runs in its environment."""
        self.count += 1
        workdir = self.scratch / f"run-{self.count}"
        workdir.mkdir()
        for name, text in files.items():
            (workdir / name).write_text(text)
        if not isinstance(arguments, tuple):
            arguments = tuple(Argument(name, text) for name, text in arguments.items())
        request = Request(
            module=module,
            task=task,
            arguments=arguments,
            scheduler_url=scheduler_url or self.scheduler_url,
            worker=worker or f"{self.shared.name}/{self.count}",
            budget=budget,
            preload=preload,
            reset_failures=reset_failures,
            dead_workers=dead_workers,
            run=run,
            idle=idle,
        )
        lines: list[str] = []
        forgiven = threading.Event()
        tell = partial(give_back, SchedulerClient(self.scheduler_url))
        shared = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE / "pipelines"), **shared_env}
        process = (Launcher(spawn, tell, warm=self.warm) if agent_lives else Launcher(spawn, warm=self.warm))(
            request,
            python=self.python,
            env={**shared, "SHARED": str(self.shared), **env},
            workdir=workdir,
            on_line=lines.append,
            on_end=lambda: None,
            on_reset=forgiven.set,
            shared_env=shared,
        )
        self.started.append(Started(process, request.worker, lines, forgiven))
        return self.started[-1]

    def report(self, task: str, **more: object) -> Report:
        return self.start(task, **more).report()  # type: ignore[arg-type]

    def executions(self, name: str) -> int:
        """How often the tasks of that name were executed, on any node."""
        path = self.shared / f"{name}.runs"
        return len(path.read_text().splitlines()) if path.exists() else 0


def environment(version: str, luigi: str, folder: Path, *more: str) -> Path:
    """The interpreter of a new virtualenv of that Python below `folder`, with that Luigi and what is named further."""
    python = folder / "env" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    interpreter = needs.pyenv_python(version)
    for argv in (
        [sys.executable, "-m", "virtualenv", "--no-seed", "--quiet", "--python", str(interpreter), str(folder / "env")],
        [str(uv), "pip", "install", "--quiet", "--python", str(python), luigi, *more],
    ):
        subprocess.run(argv, check=True, timeout=300)
    return python


@pytest.fixture(scope="session")
def python() -> Path:
    return Path(sys.executable)


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmStarts]:
    """One server for each interpreter, as on a node."""
    starts = WarmStarts()
    starts.start()
    yield starts
    starts.stop()


@pytest.fixture
def starts(warm: WarmStarts) -> WarmStarts | None:
    """How the nodes start their runs: warm, unless a module says otherwise."""
    return warm


@pytest.fixture
def make_node(
    python: Path, scheduler_url: str, tmp_path: Path, starts: WarmStarts | None
) -> Iterator[Callable[[], Node]]:
    shared = tmp_path / f"shared-{os.urandom(4).hex()}"
    shared.mkdir()
    nodes: list[Node] = []

    def make() -> Node:
        scratch = tmp_path / f"node-{len(nodes)}"
        scratch.mkdir()
        nodes.append(Node(python, scheduler_url, shared, scratch, starts, count=100 * len(nodes)))
        return nodes[-1]

    yield make
    for node in nodes:
        for started in node.started:
            if started.run.result(0) is None:
                started.run.stop(0)
        for started in node.started:
            started.run.result(TIMEOUT)


@pytest.fixture
def node(make_node: Callable[[], Node]) -> Node:
    return make_node()


@pytest.fixture
def own() -> Iterator[WarmStarts]:
    """Servers of one test."""
    starts = WarmStarts()
    yield starts
    starts.stop()


@pytest.fixture(scope="session")
def with_modules(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has everything this one has, and modules to preload."""
    folder = tmp_path_factory.mktemp("with-modules") / "env"
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    (packages,) = folder.glob("lib/python*/site-packages")
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "tests.pth").write_text(here + "\n")
    for name, text in MODULES.items():
        (packages / f"{name}.py").write_text(text)
    return folder / "bin" / "python"


MODULES = {
    "noted": "import os\nwith open(os.environ['NOTES'], 'a') as file:\n    file.write(f'{os.getpid()}\\n')\n",
    "threaded": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
    "starting": "import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)\n",
    "broken": "raise RuntimeError('not on this machine')\n",
    "forever": "import os\nopen(os.environ['NOTES'], 'w').close()\nwhile True:\n    os.wait4 and os.sched_yield()\n",
    "rude": "import os, resource, signal\n"
    "os.umask(0)\n"
    "resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))\n"
    "signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n",
}
