"""The options that describe a node, for `listen` and `doctor`, and the Settings they make."""

from __future__ import annotations

import configparser
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from poltergust.base.errors import UsageError
from poltergust.base.folders import absolute, is_folder
from poltergust.base.urls import is_cloud
from poltergust.cli.options import (
    Duration,
    Size,
    option,
    redact_variables_option,
    scheduler_password_option,
    with_password,
)
from poltergust.node.settings import Settings, parse_cache, parse_labels, parse_node, parse_path
from poltergust.runs.settings import RunSettings

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    option(
        "--path",
        "-p",
        required=True,
        metavar="PATH",
        help="Where configs land: gs://bucket/prefix (scanned only, unless --subscription or --topic is given) or a "
        "local folder.",
    ),
    option("--subscription", metavar="NAME", help="This node's own Pub/Sub subscription, a full name or a short one."),
    option("--topic", metavar="NAME", help="Instead: make an own subscription to this topic, removed on a clean stop."),
    option("--project", metavar="ID", help="Project of a short subscription or topic; default: the credentials' own."),
    option("--node", metavar="NAME", help="This node's name, unique on the path; default: the host's."),
    option(
        "--scheduler-url", metavar="URL", help="The luigid all nodes share; default: an embedded one, for one node."
    ),
    scheduler_password_option,
    option(
        "--reconcile-interval",
        type=Duration(least=1.0),
        default="5m",
        metavar="TIME",
        help="How often to scan the path.",
    ),
    option("--parallel", type=click.IntRange(1, 256), default=8, metavar="N", help="Configs that run side by side."),
    option(
        "--retries",
        type=click.IntRange(0, 100),
        default=3,
        metavar="N",
        help="New tries of a failing task (in the whole cluster), or here.",
    ),
    option(
        "--drain-timeout", type=Duration(), default="10m", metavar="TIME", help="How long tasks may finish on a stop."
    ),
    option(
        "--workdir",
        metavar="DIR",
        help="Current directory of all runs; default: this one, for gs:// one of the path's own in the cache.",
    ),
    option("--cache-dir", metavar="DIR", help="Where environments are kept; default: ~/.cache/poltergust."),
    option("--env-cache-size", type=Size(), default="20G", metavar="SIZE", help="Most that cached environments take."),
    option("--env-max-age", type=Duration(), default="30d", metavar="TIME", help="Unused environments go after that."),
    option(
        "--build-parallel", type=click.IntRange(1, 64), default=2, metavar="N", help="Environments built at a time."
    ),
    option(
        "--warm-starts/--no-warm-starts",
        default=True,
        help="Fork runs from a process of their environment that has Luigi imported, or start each by itself.",
    ),
    option(
        "--install-pythons",
        is_flag=True,
        help="Let uv install a Python that an environment asks for and this machine lacks, below the cache.",
    ),
    option(
        "--label",
        multiple=True,
        envvar="POLTERGUST_LABELS",
        metavar="LABEL",
        help="What this node has, gpu or zone=a for example, for the task file's nodes (repeatable).",
    ),
    option(
        "--allow-environments", multiple=True, metavar="GLOB", help="Only environment files like this (repeatable)."
    ),
    redact_variables_option,
)


def node_options(function: F) -> F:
    """All options that say what a node is and does; `make_settings` takes their values."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


def make_settings(options: Mapping[str, Any], environ: Mapping[str, str], *, path_must_exist: bool = True) -> Settings:
    """The options as one checked value. Raises `UsageError`."""
    path = parse_path(options["path"], must_exist=path_must_exist)
    cloud = is_cloud(path.root)
    subscription, topic = options.get("subscription"), options.get("topic")
    if subscription and topic:
        raise UsageError("--subscription and --topic exclude each other: name the node's subscription, or the topic")
    if not cloud and (subscription or topic):
        raise UsageError(f"--path {path.root} is a folder, which needs no subscription; leave it out")
    project = options.get("project")
    scheduler, password_file = scheduler_url(options.get("scheduler_url"), environ), options["scheduler_password_file"]
    if password_file and scheduler is None:
        raise UsageError(
            "--scheduler-password-file is for --scheduler-url; the embedded scheduler has its own password"
        )
    return Settings(
        path=path,
        node=parse_node(options.get("node")),
        scheduler_url=with_password(scheduler, password_file),
        subscription=full_name(subscription, "subscriptions", project, environ) if subscription else None,
        topic=full_name(topic, "topics", project, environ) if topic else None,
        reconcile_interval=options["reconcile_interval"],
        parallel=options["parallel"],
        cache=parse_cache(options.get("cache_dir")),
        workdir=working_folder(options.get("workdir")),
        env_cache_size=options["env_cache_size"],
        env_max_age=options["env_max_age"],
        build_parallel=options["build_parallel"],
        warm_starts=options["warm_starts"],
        install_pythons=options["install_pythons"],
        runs=RunSettings(
            retries=options["retries"],
            drain_timeout=options["drain_timeout"],
            labels=parse_labels(options.get("label") or ()),
            allow_environments=tuple(_absolute_glob(pattern) for pattern in options.get("allow_environments") or ()),
            redact_variables=tuple(options.get("redact_variables") or ()),
        ),
        environ=dict(environ),
    )


def working_folder(text: str | None) -> Path | None:
    """`--workdir`; None: where it is by default. Raises `UsageError`."""
    if not text:
        return None
    folder = absolute("--workdir", text)
    if not is_folder("--workdir", text, folder):
        raise UsageError(f"--workdir {text}: no such folder; make it first: mkdir -p {shlex.quote(str(folder))}")
    return folder


def _absolute_glob(pattern: str) -> str:
    return pattern if is_cloud(pattern) or pattern.startswith("*") else str(absolute("--allow-environments", pattern))


def full_name(text: str, kind: str, project: str | None, environ: Mapping[str, str]) -> str:
    """``projects/P/<kind>/NAME`` from a full or a short name. `kind` is "subscriptions" or "topics"."""
    # Imported here: it brings Google's client.
    from poltergust.sources.pubsub.subscriptions import full_subscription, full_topic, project_of_credentials

    if "/" not in text:
        project = project or environ.get("GOOGLE_CLOUD_PROJECT") or project_of_credentials()
    return full_subscription(text, project) if kind == "subscriptions" else full_topic(text, project)


def scheduler_url(option: str | None, environ: Mapping[str, str]) -> str | None:
    """`--scheduler-url`, else the one in Luigi's own configuration, else None: an embedded one.

    The files and keys are Luigi's (luigi/configuration/core.py and the `core` class of luigi/interface.py).
    """
    option = option.strip() if option else None  # a variable's value may end in the line break of the file it is from
    if option:
        if not option.startswith(("http://", "https://")):
            raise UsageError(f"--scheduler-url {option!r}: write for example http://head:8082")
        return option.rstrip("/")
    files = ["/etc/luigi/client.cfg", "/etc/luigi/luigi.cfg", "client.cfg", "luigi.cfg"]
    if environ.get("LUIGI_CONFIG_PATH"):
        files.append(environ["LUIGI_CONFIG_PATH"])
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UsageError(f"Luigi's configuration cannot be read: {error}") from None
    for section in ("core", "scheduler-url"):
        for key in ("default-scheduler-url", "default_scheduler_url"):
            url = parser.get(section, key, fallback=None)
            if url:
                return url.rstrip("/")
    for key in ("default-scheduler-host", "default_scheduler_host"):
        host = parser.get("core", key, fallback=None)
        if host:
            port = parser.get("core", "default-scheduler-port", fallback=None) or "8082"
            return f"http://{host}:{port}"
    return None
