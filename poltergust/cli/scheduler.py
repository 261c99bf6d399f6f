"""`poltergust scheduler`: the luigid that all nodes share, as it should be run."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import click

from poltergust.base.errors import UsageError
from poltergust.base.folders import absolute
from poltergust.base.urls import can_be_looked_up
from poltergust.cli.options import option

if TYPE_CHECKING:
    from poltergust.luigi_run.luigid import Luigid
    from poltergust.observe.http import PageServer

log = logging.getLogger(__name__)

DEFAULT_PORT = 8082

EPILOG = """\b
Examples:
  poltergust scheduler
  (umask 077; openssl rand -hex 32 > /etc/poltergust/scheduler-password)
  poltergust scheduler --address 0.0.0.0 --password-file /etc/poltergust/scheduler-password \\
      --allow-host head --state-dir /var/lib/poltergust-scheduler --http 127.0.0.1:8089

\b
Exit codes: 0 stopped by a signal, its state kept; 1 it could not be done, 2 usage.
"""


@click.command(short_help="Run the Luigi scheduler that all nodes share.", epilog=EPILOG)
@option(
    "--address",
    envvar="POLTERGUST_SCHEDULER_ADDRESS",
    default="127.0.0.1",
    metavar="ADDRESS",
    help="Where it listens; 0.0.0.0: everywhere.",
)
@option(
    "--port",
    envvar="POLTERGUST_SCHEDULER_PORT",
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    metavar="N",
    help="The port there.",
)
@option(
    "--password-file",
    envvar="POLTERGUST_SCHEDULER_PASSWORD_FILE",
    metavar="FILE",
    help="A line user:password, or the password alone; of mode 0600. A second line is accepted as well.",
)
@option(
    "--state-dir",
    envvar="POLTERGUST_SCHEDULER_STATE_DIR",
    metavar="DIR",
    help="Where its state is kept; default: ~/.local/state/poltergust/scheduler.",
)
@option(
    "--allow-host",
    envvar="POLTERGUST_SCHEDULER_ALLOW_HOST",
    multiple=True,
    metavar="NAME",
    help="A further name that it is asked under (repeatable).",
)
@option(
    "--http",
    envvar="POLTERGUST_SCHEDULER_HTTP",
    metavar="HOST:PORT",
    help="Serve /healthz and /metrics there, without the password.",
)
@option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Its log, on stderr.")
@click.pass_obj
def scheduler(
    debug: bool,
    /,
    address: str,
    port: int,
    password_file: str | None,
    state_dir: str | None,
    allow_host: tuple[str, ...],
    http: str | None,
    log_format: str,
) -> None:
    """Run luigid for all nodes: quick take-over, state kept, metrics, a password; until SIGTERM or Ctrl-C.

    Whoever reaches it without a password can run code on the nodes. Nodes get the same file, or a copy, as `listen
    --scheduler-password-file`.
    """
    # An empty one, of a variable that is not set, would be all addresses to the library.
    if not address or not can_be_looked_up(address):
        raise UsageError(f"--address {address!r}: write one of this machine's, or 0.0.0.0 for all of them")
    import asyncio

    from poltergust.base.agent_log import configure
    from poltergust.base.redaction import Redactor
    from poltergust.base.secret_forms import SecretNames
    from poltergust.luigi_run.luigid import Luigid, LuigidSettings
    from poltergust.luigi_run.own_state import state_folder
    from poltergust.luigi_run.passwords import AcceptedPasswords
    from poltergust.observe.http import loopback, shown

    configure(log_format, "scheduler", Redactor((os.environ,), names=SecretNames.of(os.environ)), debug=bool(debug))
    settings = LuigidSettings(
        address=address,
        port=port,
        state=absolute("--state-dir", state_dir) if state_dir else state_folder(os.environ) / "scheduler",
        passwords=AcceptedPasswords(absolute("--password-file", password_file)) if password_file else None,
        hosts=frozenset(allow_host),
    )
    luigid = Luigid(settings)
    pages = None if http is None else _pages(http, luigid)
    socket = os.environ.pop("NOTIFY_SOCKET", "")

    def ready() -> None:
        where = shown((address, port))
        log.info("the scheduler is at http://%s, its state in %s", where, settings.state)
        if settings.passwords is None and not loopback(address):
            log.warning(
                "everybody who reaches %s can run code on the nodes: there is no password; add --password-file", where
            )
        if pages is not None:
            pages.start()
        _notify(socket, "READY=1")

    try:
        asyncio.run(luigid.serve(ready, on_turn=lambda: _notify(socket, "WATCHDOG=1")))
    finally:
        _notify(socket, "STOPPING=1")
        if pages is not None:
            pages.stop()
    log.info("the scheduler has stopped")


def _notify(socket: str, line: str) -> None:
    """Tell systemd, if it listens; the scheduler serves on if it does not."""
    from poltergust.observe.systemd import notify

    try:
        notify(socket, line)
    except OSError as error:
        log.debug("systemd does not take messages: %s", error.strerror or error)


def _pages(text: str, luigid: Luigid) -> PageServer:
    from poltergust.cli.observe_options import address
    from poltergust.observe.http import Answer, PageServer

    def health(_accept: str) -> Answer:
        return Answer(200, "ok\n") if luigid.answers() else Answer(503, "the scheduler's loop is stuck\n")

    def metrics(_accept: str) -> Answer:
        return Answer(200, luigid.metrics(), "text/plain; version=0.0.4; charset=utf-8")

    return PageServer(address(text), {"/healthz": health, "/metrics": metrics})
