"""`poltergust listen`: one node, until a signal stops it."""

from __future__ import annotations

import logging
import os
from typing import Any

import click
from click.core import ParameterSource

from poltergust.cli.node_options import make_settings, node_options
from poltergust.cli.observe_options import NOT_INHERITED, observe_options, with_observability
from poltergust.cli.options import option

log = logging.getLogger(__name__)

EXAMPLES = """\b
Examples:
  poltergust listen --path ./pipeline
  poltergust listen --path gs://mybucket/pipeline --subscription poltergust-node-1 \\
      --project myproject --scheduler-url http://head:8082
"""


@click.command(short_help="Run this machine as a node.", epilog=EXAMPLES)
@node_options
@observe_options
@option("--log-format", type=click.Choice(["text", "json"]), default="text", help="The agent's own log, on stderr.")
@click.pass_obj
def listen(debug: bool, /, **options: Any) -> None:
    """Run this machine as a node: react to every config that lands in PATH, until SIGTERM or Ctrl-C.

    The first signal takes nothing new and lets running tasks finish, the second stops at once. Whoever can write to
    PATH or to an environment file can run code on this machine.
    """
    settings = with_observability(make_settings(options, os.environ), options, os.environ)
    # Imported here: the parts bring Google's libraries, which `--help` should not wait for.
    from poltergust import doctor
    from poltergust.base.agent_log import configure
    from poltergust.base.loops import report_dead_threads
    from poltergust.base.redaction import Redactor
    from poltergust.base.secret_forms import SecretNames
    from poltergust.base.stopping import Stopping, signals_stop
    from poltergust.node.wiring import agent
    from poltergust.processes.privacy import forget, keep_private

    keep_private()
    scheduler = {"SCHEDULER_URL": settings.scheduler_url or ""}
    redact = Redactor((os.environ, scheduler), names=SecretNames(settings.runs.redact_variables))
    configure(options["log_format"], settings.node, redact, debug=bool(debug))
    _warn_of_a_password_that_all_can_read(options["scheduler_url"] or "")
    report_dead_threads()
    forget(NOT_INHERITED)
    stopping = Stopping()
    with signals_stop(stopping), agent(settings, stopping) as node, doctor.alongside(settings):
        node.run()


def _warn_of_a_password_that_all_can_read(url: str) -> None:
    source = click.get_current_context().get_parameter_source("scheduler_url")
    if "@" in url and source is ParameterSource.COMMANDLINE:
        log.warning(
            "everybody on this machine can read the password of --scheduler-url in the process list; put it into a "
            "file and name that with --scheduler-password-file"
        )
