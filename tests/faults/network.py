"""A network of a node's own, which can be cut: no packet passes, and no connection is closed for it.

The agent runs in a network namespace (network_namespaces(7)) that has nothing but a loopback of its own. Sockets that
were made inside it listen there on the servers' ports, and a thread of the test carries the bytes to and fro. Cut, it
carries none: whoever waits for an answer waits on, as behind a switch that lost its power.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from tests import needs
from tests.emulators.servers import stop, wait_until

CLONE_NEWNET = 0x40000000  # linux/sched.h
PIECE = 65536


class OwnNetwork:
    """See `own_network`."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        """Stands before the agent's, for `Cluster.start`."""
        self._loop = asyncio.new_event_loop()
        self._whole, self._over = asyncio.Event(), asyncio.Event()
        self._whole.set()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        self._loop.call_soon_threadsafe(self._whole.set)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)

    def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Until `close`; a thread of its own."""
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve(listeners))

    async def _serve(self, listeners: Sequence[socket.socket]) -> None:
        servers = [
            await asyncio.start_server(self._connected(listener.getsockname()[1]), sock=listener)
            for listener in listeners
        ]
        await self._over.wait()
        for server in servers:
            server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _connected(self, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Cancelled at the end; streams.py would log that as an error.
            with contextlib.closing(writer), contextlib.suppress(asyncio.CancelledError):
                await self._whole.wait()
                with contextlib.suppress(OSError):
                    answers, requests = await asyncio.open_connection("127.0.0.1", port)
                    with contextlib.closing(requests):
                        await asyncio.gather(self._pump(reader, requests), self._pump(answers, writer))

        return carry

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(PIECE):
                await self._whole.wait()
                target.write(data)
                await target.drain()
        await self._whole.wait()  # nor is an end heard of
        target.close()


@contextlib.contextmanager
def own_network(*ports: int) -> Iterator[OwnNetwork]:
    """A network in which 127.0.0.1 has these ports of this machine, and nothing else is."""
    unshare = needs.program("unshare", "apt-get install util-linux")
    nsenter = needs.program("nsenter", "apt-get install util-linux")
    if os.geteuid() != 0:
        needs.missing("the right to make a network", "sudo make test")
    ip = needs.program("ip", "apt-get install iproute2")
    script = f"{ip} link set lo up && echo up && exec sleep infinity"
    with subprocess.Popen(
        [unshare, "--net", "sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        network = OwnNetwork([nsenter, f"--net=/proc/{holder.pid}/ns/net", "--"])
        thread = threading.Thread(target=network.serve, args=(_listen_inside(holder.pid, ports),), daemon=True)
        thread.start()
        try:
            yield network
        finally:
            network.close()
            wait_until(lambda: not thread.is_alive(), "the network to end")
            stop(holder)


def _listen_inside(pid: int, ports: Sequence[int]) -> list[socket.socket]:
    """A thread goes there to make them: where a socket is, is settled when it is made (setns(2))."""
    made: list[socket.socket] = []

    def listen() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/proc/{pid}/ns/net").open() as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        made.extend(socket.create_server(("127.0.0.1", port)) for port in ports)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert len(made) == len(ports)
    return made
