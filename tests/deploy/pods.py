"""Pods for tests: a rendered pod's command, variables, user, mounts and probes, in namespaces of their own.

Each pod has a network of its own on a bridge of this machine, a read-only root (this machine's, with Poltergust in
/opt/poltergust as in the image), the volumes it asks for, its pod's host name and no capability. `Network` plays DNS,
with /etc/hosts, and `Pod` the kubelet: it asks the probes, and sends SIGTERM when the pod is evicted. Not here: tini,
an API server, and whatever enforces a NetworkPolicy.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]
USER = 10001


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=30, stdin=subprocess.DEVNULL, capture_output=True)


class Network:
    """A bridge with room for 250 pods. `gateway` is this machine's own address on it."""

    def __init__(self) -> None:
        self.number = random.randint(1, 250)
        self.bridge = f"pg{os.getpid() % 100000}"
        self.gateway = f"10.213.{self.number}.1"
        self.hosts: dict[str, str] = {}
        self._servers: list[socket.socket] = []
        self._next = 2

    def __enter__(self) -> Network:
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("addr", "add", f"{self.gateway}/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        _ip("link", "del", self.bridge)

    def join(self, namespace: str, name: str) -> str:
        """A new network namespace on the bridge; answers its address, which `name` stands for from now on."""
        address, wire = f"10.213.{self.number}.{self._next}", f"{self.bridge}-{self._next}"
        self._next += 1
        _ip("netns", "add", namespace)
        _ip("link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("link", "set", wire, "master", self.bridge, "up")
        _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "up")
        _ip("-n", namespace, "link", "set", "lo", "up")
        self.hosts[name] = address
        return address

    def expose(self, port: int) -> str:
        """Let pods reach a server on this machine's loopback; answers its HOST:PORT for them."""
        server = socket.create_server((self.gateway, port))
        self._servers.append(server)
        threading.Thread(target=_forward, args=(server, port), daemon=True).start()
        return f"{self.gateway}:{port}"


def _forward(server: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):  # closed: the test is over
        while True:
            here, _ = server.accept()
            threading.Thread(target=_join, args=(here, port), daemon=True).start()


def _join(here: socket.socket, port: int) -> None:
    with here, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as there:
        back = threading.Thread(target=_pump, args=(there, here), daemon=True)
        back.start()
        _pump(here, there)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Pod:
    """One pod of a rendered workload; its volume claims are folders in `folder`, `secrets` the Secrets' contents."""

    def __init__(
        self, name: str, workload: Manifest, network: Network, image: Path, folder: Path, secrets: Mapping[str, str]
    ) -> None:
        self.name, self.network, self.folder = name, network, folder
        self.spec: Manifest = workload["spec"]["template"]["spec"]
        self.claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
        (self.container,) = self.spec["containers"]
        (self.init,) = self.spec["initContainers"]
        self.image, self.secrets = image, secrets
        self.namespace = f"{network.bridge}-{name}"
        self.log = folder / "log"
        self.address = ""
        self.process: subprocess.Popen[bytes] | None = None

    def env(self) -> dict[str, str]:
        """The container's variables, with references to the pod's fields and to earlier variables resolved."""
        env: dict[str, str] = {}
        for each in self.container.get("env", []):
            if "valueFrom" in each:
                assert each["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
                env[each["name"]] = self.name
            else:
                env[each["name"]] = re.sub(r"\$\((\w+)\)", lambda found: env[found[1]], each["value"])
        return env

    def start(self, service: str, more: Mapping[str, str]) -> None:
        """Start it; `service` is the name that stands for its address, `more` what the tests' emulators need."""
        self.folder.mkdir(parents=True)
        self.address = self.network.join(self.namespace, service)
        layer = self.folder / "layer"
        hosts = "".join(f"{address} {name}\n" for name, address in self.network.hosts.items())
        for path, text in (("etc/hosts", f"127.0.0.1 localhost\n{hosts}"), ("etc/hostname", self.name)):
            (layer / path).parent.mkdir(parents=True, exist_ok=True)
            (layer / path).write_text(text)
        for mounted in ("opt/poltergust", "srv"):
            (layer / mounted).mkdir(parents=True)
        mounts = []
        kinds = {volume["name"]: volume for volume in self.spec["volumes"]}
        for mount in self.init["volumeMounts"] + self.container["volumeMounts"]:
            at, volume = mount["mountPath"].lstrip("/"), kinds.get(mount["name"], {})
            if (layer / at).exists():
                continue  # both containers have it
            (layer / at).mkdir(parents=True)
            if mount["name"] in self.claims:
                claim = self.folder / mount["name"]
                claim.mkdir()
                os.chown(claim, 0, USER)
                claim.chmod(0o2775)  # what fsGroup makes of a volume
                mounts.append(f"mount --bind {claim} {at}")
            elif "emptyDir" in volume:
                mounts.append(f"mount -t tmpfs -o mode=2777,gid={USER} tmpfs {at}")
            else:
                file = layer / at / "password"
                file.write_text(self.secrets[volume["secret"]["secretName"]])
                os.chown(file, 0, USER)
                file.chmod(volume["secret"]["defaultMode"])
        root = self.folder / "root"
        for made in (root, self.folder / "work"):
            made.mkdir()
        become = f"/usr/sbin/chroot . /usr/bin/setpriv --reuid={USER} --regid={USER} --clear-groups"
        become += " --bounding-set=-all --inh-caps=-all --no-new-privs --"
        enter = f"""
            set -e
            mount -t overlay overlay -o lowerdir=/,upperdir={layer},workdir={self.folder / "work"} {root}
            cd {root}
            mount --rbind /dev dev && mount -t proc proc proc
            mount --bind {self.image}/opt/poltergust opt/poltergust && mount --bind {self.image}/srv srv
            {" && ".join(mounts)}
            mount -o remount,ro {root}
            hostname {self.name}
            {become} {shlex.join(self.init["command"])}
            exec {become} {shlex.join(self.container["args"])}
        """
        isolate = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", enter]
        image = {"PATH": "/opt/poltergust/bin:/usr/bin:/bin", "HOME": "/var/lib/poltergust"}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *isolate],
                env=image | self.env() | dict(more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )

    def passes(self, probe: str) -> bool:
        """Whether a probe of the container succeeds now, as the kubelet judges it: from outside of the pod."""
        action = self.container[probe]
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        url = f"http://{self.address}:{ports[action['httpGet']['port']]}{action['httpGet']['path']}"
        try:
            with urllib.request.urlopen(url, timeout=action.get("timeoutSeconds", 1)) as answer:
                return bool(200 <= answer.status < 400)
        except OSError:  # a refused connection, or an answer of 400 and more
            return False

    def ended_early(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def terminate(self) -> None:
        """What the kubelet does first when a pod is evicted: SIGTERM to the container's first process."""
        assert self.process is not None
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)

    def ended(self) -> int:
        """Its exit code within the pod's grace; after that the kubelet would kill it, which fails the test."""
        assert self.process is not None
        return self.process.wait(self.spec["terminationGracePeriodSeconds"])

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        if self.address:
            _ip("netns", "del", self.namespace)


@contextlib.contextmanager
def removed_at_the_end(pods: list[Pod]) -> Iterator[None]:
    """Their logs are printed on the way, for pytest to show with a failure."""
    try:
        yield
    finally:
        for pod in pods:
            if pod.log.exists():
                print(f"{pod.name}: {pod.log.read_text(errors='replace')[-5000:]}")  # noqa: T201
        for pod in pods:
            pod.remove()
