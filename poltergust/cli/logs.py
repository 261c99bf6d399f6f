"""`poltergust logs`: what the nodes wrote while they ran a config."""

from __future__ import annotations

import sys
from itertools import chain

import click

from poltergust.base.errors import PoltergustError, UsageError
from poltergust.cli.completing import names
from poltergust.cli.options import option, parse_name
from poltergust.cli.target import Target, json_option, path_option

EPILOG = """\b
Examples:
  poltergust logs nightly
  poltergust logs nightly --follow --lines 20
  poltergust logs nightly --task 'Load(date=2026-05-01)'
  poltergust logs nightly --errors
  poltergust logs nightly --generation 2     (the run before, as history numbers them)
  poltergust logs nightly --node node-1 > node-1.log

\b
Exit codes: 0 shown (with --follow: the run is done), 1 no such log, 2 usage,
  with --follow also 3 the run ended as an error, 4 cancelled, removed or replaced, 130 interrupted.
"""


@click.command(short_help="What the nodes wrote to the logs of a run.", epilog=EPILOG)
@click.argument("name", metavar="NAME", shell_complete=names)
@path_option
@option("--node", envvar="POLTERGUST_LOGS_NODE", metavar="NODE", help="Only that node's log, as it is.")
@option("--follow", "-f", is_flag=True, help="Go on until the run ended.")
@option("--lines", "-n", type=click.IntRange(0), metavar="N", help="Only the last N lines of each node's log.")
@option("--task", metavar="TASK", help="Only while that task ran: its name, id, family, or a pattern.")
@option("--errors", is_flag=True, help="Only lines that tell of an error, with their tracebacks.")
@option(
    "--generation",
    metavar="RUN",
    help="An earlier run: its number as history shows it, or its generation; default: the current one, or the latest.",
)
@json_option
def logs(
    name: str,
    path: str | None,
    node: str | None,
    follow: bool,
    lines: int | None,
    task: str | None,
    errors: bool,
    generation: str | None,
    as_json: bool,
) -> None:
    """Print the logs of NAME's current or latest run: node after node, each line with its node."""
    if follow and generation:
        raise UsageError("--follow is for the current run; leave --generation out")
    if follow and (task or errors):
        raise UsageError("--task and --errors look through what is written by now; leave --follow out")
    target = Target.of(path)
    name = parse_name(name, target.path)
    from poltergust.cli.following import Following, exit_code, last_lines, print_lines
    from poltergust.cli.log_selection import LogSelection
    from poltergust.cli.past_runs import generation_of
    from poltergust.cli.status import near
    from poltergust.path.reading.waiting import Awaited

    reader = target.reader()
    current = reader.current(name)
    if follow:
        if current is None:
            raise PoltergustError(f"nothing of the name {name} below {target.path.prefix}{near(reader, name)}")
        following = Following(target, Awaited(reader, name, current[1].data), as_json=as_json, lines=lines)
        sys.exit(exit_code(following.guarded(lambda: following.follow(node))))
    if generation is not None:
        generation = generation_of(reader, name, generation)
    else:
        known = reader.generations(name)
        view = None if current is None else reader.view(name, *current, nodes=[])
        generation = (view.generation if view is not None else None) or (known[-1] if known else None)
    if generation is None:
        raise PoltergustError(f"there are no logs of {name} below {target.path.state_prefix}{near(reader, name)}")
    tails = target.state.tails(name, generation, node)
    written = chain(tails.new(), tails.rest())
    if task or errors:
        selection = LogSelection(reader, name, generation, task, node, errors=errors)
        selection.show(written, lines, bare=node is not None, as_json=as_json)
    else:
        print_lines(last_lines(written, lines), bare=node is not None, as_json=as_json)
    if not tails.nodes:
        who = f"node {node} has" if node else "no node has"
        raise PoltergustError(f"{who} written {'nothing' if node else 'anything'} about {name} yet")
