"""`poltergust dashboard`: the page, from this machine."""

from __future__ import annotations

import importlib.util
import secrets
import signal
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import click

from poltergust.base.errors import UsageError
from poltergust.cli.options import option, redact_variables_option
from poltergust.cli.target import Target, path_option, scheduler_option

if TYPE_CHECKING:
    from poltergust.dashboard.settings import DashboardSettings

DEFAULT_ADDRESS = "127.0.0.1:8090"

EPILOG = """\b
Examples:
  poltergust dashboard --path ./pipeline
  poltergust dashboard --path gs://mybucket/pipeline --http 127.0.0.1:9000
  poltergust dashboard --allow-actions       (POLTERGUST_PATH is set)

\b
Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 it could not be done, 2 usage.
"""


@click.command(short_help="The page: one look at the whole cluster, in a browser.", epilog=EPILOG)
@path_option
@option(
    "--http",
    envvar="POLTERGUST_DASHBOARD_HTTP",
    default=DEFAULT_ADDRESS,
    metavar="HOST:PORT",
    help="Where the page answers; port 0: any free one.",
)
@option("--allow-host", multiple=True, metavar="NAME", help="A further name the page is asked under (repeatable).")
@option("--allow-actions", is_flag=True, help="Submit, retry and cancel from the page, for who has the token.")
@option("--token-file", metavar="FILE", help="The token, in a file only you can read; default: a new one, printed.")
@option("--force-remote-actions", is_flag=True, help="Allow actions although --http is no loopback address.")
@redact_variables_option
@scheduler_option
def dashboard(
    path: str | None,
    http: str,
    allow_host: tuple[str, ...],
    allow_actions: bool,
    token_file: str | None,
    force_remote_actions: bool,
    redact_variables: tuple[str, ...],
    scheduler_url: str | None,
) -> None:
    """Serve a page about PATH: what runs, waits, failed and is done, the nodes, each run with its tasks and logs.

    It reads what lies beside the path, and asks the scheduler where it answers; no node has to be alive. It only
    shows, unless --allow-actions is given. Nobody needs a password to look, so keep it on a loopback address.
    """
    if importlib.util.find_spec("jinja2") is None:
        raise UsageError("the page needs Jinja2, which is not installed: pip install 'poltergust[dashboard]'")
    from poltergust.cli.observe_options import address
    from poltergust.dashboard.settings import DashboardSettings

    if token_file is not None and not allow_actions:
        raise UsageError("--token-file is for --allow-actions; add that, or leave the file out")
    place = Target.of(path)
    token = _token(token_file) if allow_actions else None
    settings = DashboardSettings(
        address=address(http),
        allowed_hosts=frozenset(name.lower() for name in allow_host),
        token=token,
        allow_remote_actions=force_remote_actions,
        scheduler_url=scheduler_url,
    )
    # Imported here: it costs `--help` more than all the rest.
    import asyncio

    asyncio.run(
        _serve(place, settings, secret_names=redact_variables, shown_token=token if token_file is None else None)
    )


def _token(file: str | None) -> str:
    """From a file that nobody else can read, or a new one."""
    if file is None:
        return secrets.token_urlsafe(24)
    try:
        mode = Path(file).stat().st_mode
        text = Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {file}: {getattr(error, 'strerror', None) or 'is no text'}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"--token-file {file}: others can read it; run: chmod 600 {file}")
    return text


async def _serve(
    place: Target, settings: DashboardSettings, secret_names: tuple[str, ...], shown_token: str | None
) -> None:
    import asyncio

    from poltergust.base.secret_forms import SecretNames
    from poltergust.dashboard.reading import PathReading
    from poltergust.dashboard.server import serve
    from poltergust.observe.http import loopback
    from poltergust.observe.scheduler_view import SchedulerView

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def ready(url: str) -> None:
        click.echo(f"the page of {place.path.root}: {url}")
        if shown_token is not None:
            # After the #, which a browser sends to nobody: not in a log, not in a Referer.
            click.echo(f"to act on it, open:  {url}#token={shown_token}")
        if not loopback(settings.address[0]):
            click.echo("everybody who reaches that address can read it; there is no password", err=True)

    scheduling = SchedulerView(socket.gethostname(), settings.scheduler_url)
    reading = PathReading(place.state, place.stores, scheduling, SecretNames(secret_names))
    await serve(settings, reading, ready=ready, stop=stop)
