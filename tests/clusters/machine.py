"""Machines for tests: overlays over this machine's root in namespaces of their own, units, and a metadata server."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests import needs
from tests.emulators.servers import serving

PASSED_ON = ("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_", "HTTP", "http", "https", "HTTPLIB2_", "no_proxy", "NO_PROXY")


def registry_settings() -> dict[str, str]:
    """How this machine reaches the package registry, for a command with an environment of its own."""
    return {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)}


def need_machines() -> None:
    needs.program("unshare", "apt-get install util-linux")
    if os.geteuid() != 0:
        needs.missing("root (to mount overlays)", "run these tests as root, in a container or a virtual machine")


@contextlib.contextmanager
def metadata_server(values: Mapping[str, str]) -> Iterator[str]:
    """A metadata server that knows `values` below instance/; yields HOST:PORT. Without Google's header it answers 403.

    https://cloud.google.com/compute/docs/metadata/querying-metadata
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = values.get(self.path.removeprefix("/computeMetadata/v1/instance/"))
            google = self.headers.get("Metadata-Flavor") == "Google"
            self.send_response(403 if not google else 404 if value is None else 200)
            self.end_headers()
            if google and value is not None:
                self.wfile.write(value.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"127.0.0.1:{server.server_address[1]}"


@contextlib.contextmanager
def secret_manager(secrets: Mapping[str, str]) -> Iterator[str]:
    """A Secret Manager that has the latest versions of `secrets`, by projects/P/secrets/S; yields its URL.

    https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0].removeprefix("/v1/").removesuffix("/versions/latest:access")
            value = secrets.get(name)
            payload = {"data": base64.b64encode((value or "").encode()).decode()}
            answer = {"error": {"code": 404}} if value is None else {"name": f"{name}/versions/1", "payload": payload}
            self.send_response(404 if value is None else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}/"


class Machine:
    """A machine of the cluster: an overlay whose changes are in `upper`, entered for each command."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.folder = name, folder
        self.upper, self.shared = folder / "upper", folder.parent / "shared"
        for each in (self.upper, folder / "work", folder / "root", self.shared):
            each.mkdir(parents=True, exist_ok=True)
        self.shared.chmod(0o777)
        self.calls = self.upper / "systemctl.log"
        stub = self.upper / "usr/local/bin/systemctl"
        stub.parent.mkdir(parents=True)
        stub.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && echo "systemd 252 (252)" && exit\necho "$@" >>/systemctl.log\n'
        )
        stub.chmod(0o755)

    def argv(self, command: str) -> list[str]:
        """A command line that runs the shell `command` on the machine; it takes the environment it is given."""
        root, layers = self.folder / "root", f"lowerdir=/,upperdir={self.upper},workdir={self.folder / 'work'}"
        enter = f"""
            set -e
            mount -t overlay overlay -o {layers} {root}
            cd {root}
            mount --rbind /dev dev && mount -t proc proc proc
            mount -t tmpfs tmpfs tmp && mkdir tmp/shared && mount --bind {self.shared} tmp/shared && chmod 1777 tmp
            hostname {self.name}
            exec /usr/sbin/chroot . /bin/bash -c {shlex.quote("cd / && " + command)}
        """
        # A PID namespace: whatever is left on the machine ends with its first process.
        return ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", enter]

    def run(self, command: str, env: Mapping[str, str]) -> str:
        done = subprocess.run(
            self.argv(command),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def unit(self, name: str) -> Unit:
        return Unit(self.upper, self.upper / "etc/systemd/system" / f"{name}.service")


class Unit:
    """What systemd reads in a unit, as far as starting its command goes."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path
        self.settings = [tuple(line.split("=", 1)) for line in path.read_text().splitlines() if "=" in line]
        self.env: dict[str, str] = {}
        for value in self.all("Environment"):
            self.env |= dict(word.split("=", 1) for word in shlex.split(value))
        for value in self.all("EnvironmentFile"):
            file = root / value.lstrip("-/")
            if file.exists() or not value.startswith("-"):
                self.env |= dict(line.split("=", 1) for line in file.read_text().splitlines())

    def all(self, key: str) -> list[str]:
        return [value for name, value in self.settings if name == key]

    def command(self) -> str:
        """The unit's command as its user, with the folders that systemd makes for it."""
        (start,), (user,) = self.all("ExecStart"), self.all("User")
        folders = [f"/var/lib/{name}" for name in self.all("StateDirectory")]
        folders += [f"/var/cache/{name}" for name in self.all("CacheDirectory")]
        make = f"install -d -o {user} -g {user} -m 0700 {' '.join(folders)}"
        return f"{make} && exec setpriv --reuid={user} --regid={user} --init-groups --no-new-privs -- {start}"
