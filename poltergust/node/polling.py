"""`luigi RunTasks --module poltergust --path=…`: one polling pass, the entry point of Poltergust's first version.

The shell loop people have (`while true; do luigi RunTasks …; sleep 1; done`) keeps working, with the same agent. A
pass reconciles every config once, runs what is to be run side by side, goes on scanning for changes while anything
runs, and ends when nothing does. What must be tried again is tried by the next pass.

Luigi finds the task by its name after `import poltergust`, which is why the package imports this module, but only when
Luigi is already loaded: it takes 0.2 s that no other command should wait for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import Any

import luigi
import luigi.interface
import luigi.rpc

from poltergust.base.agent_log import configure
from poltergust.base.errors import UsageError
from poltergust.base.folders import absolute
from poltergust.base.redaction import Redactor
from poltergust.base.secret_forms import SecretNames
from poltergust.base.stopping import Stopping, signals_stop
from poltergust.environments import cache_folder
from poltergust.luigi_run.passwords import Credentials, read_passwords
from poltergust.node.settings import Settings, parse_cache, parse_node, parse_path

SCAN_INTERVAL_SECONDS = 10.0
"""Between two scans for new and changed configs while a pass runs."""


class RunTasks(luigi.Task):
    """One pass over `path` as the node `hostname`."""

    path = luigi.Parameter(description="where configs land: gs://bucket/prefix or a local folder")
    hostname = luigi.Parameter(default="", description="this node's name, unique on the path; the host's by default")
    scheduler_password_file = luigi.Parameter(
        default="",
        significant=False,
        description="the file with the password of Luigi's scheduler; POLTERGUST_SCHEDULER_PASSWORD_FILE by default",
    )

    _ran = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Luigi makes its task before it asks its scheduler anything, the password included."""
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        # luigid gives no task out again within ten seconds after it was done (`stable_done_cooldown_secs`), and a loop
        # makes a pass each second: the passes of a minute are tasks of their own.
        self.task_id = f"{self.task_id}_{int(time.time()) % 60}"
        file = str(self.scheduler_password_file) or os.environ.get("POLTERGUST_SCHEDULER_PASSWORD_FILE")
        self._password: Credentials | None = None
        try:  # a mistake in `run()` would be a traceback of Luigi's, and its exit code 0
            self._watched = parse_path(str(self.path))
            self._node = parse_node(str(self.hostname) or None, "--hostname")
            self._cache = parse_cache(os.environ.get("POLTERGUST_CACHE_DIR"), "POLTERGUST_CACHE_DIR")
            cache_folder.prepare(self._cache)
            if file:
                self._password = read_passwords(absolute("--scheduler-password-file", file))[0]
        except UsageError as error:
            raise SystemExit(f"Error: {error}") from None
        if self._password is not None:
            _luigi_sends(self._password)

    def complete(self) -> bool:
        """Never before it ran: every call of `luigi RunTasks` is a pass."""
        return self._ran

    def run(self) -> None:
        # Imported here: Luigi imports this module to find the task, whether or not it is to be run.
        from poltergust.node.wiring import agent
        from poltergust.processes.privacy import keep_private

        keep_private()
        settings = Settings(
            path=self._watched,
            node=self._node,
            scheduler_url=_scheduler_url(luigi.interface.core(), self._password),  # type: ignore[no-untyped-call]
            reconcile_interval=SCAN_INTERVAL_SECONDS,
            cache=self._cache,
            environ=dict(os.environ),
        )
        if not logging.getLogger().handlers:
            configure("text", settings.node, Redactor((os.environ,), names=SecretNames.of(os.environ)))
        stopping = Stopping()
        with contextlib.ExitStack() as stack:
            if threading.current_thread() is threading.main_thread():  # signals can be had nowhere else
                stack.enter_context(signals_stop(stopping))
            stack.enter_context(agent(settings, stopping)).run_pass()
        self._ran = True


def _luigi_sends(password: Credentials) -> None:
    """Luigi's own client, for the task `RunTasks` itself, sends `password` from now on, and shows it in no message.

    The luigi command makes its client by this name (luigi/interface.py `create_remote_scheduler`) and takes no other.
    """
    from poltergust.luigi_run.inside.connections import fetcher, without_credentials
    from poltergust.luigi_run.inside.remote import RemoteScheduler

    def client(url: str) -> Any:
        made = RemoteScheduler(without_credentials(url))
        made._fetcher = fetcher(password.in_url(url))
        return made

    luigi.rpc.RemoteScheduler = client  # type: ignore[assignment,misc]


def _scheduler_url(core: Any, password: Credentials | None) -> str | None:
    """The scheduler this very luigi command uses; an embedded one for `--local-scheduler`, which cannot be shared."""
    if core.local_scheduler:
        return None
    url = str(core.scheduler_url or f"http://{core.scheduler_host}:{core.scheduler_port}").rstrip("/")
    return password.in_url(url) if password is not None else url
