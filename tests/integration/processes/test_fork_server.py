"""A fork server seen from its agent, with a program in its place."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from poltergust.base.errors import NodeError
from poltergust.processes.fork_server import VARIABLE, ForkServer

REFUSES = f"""
import os, socket
with socket.socket(fileno=int(os.environ[{VARIABLE!r}])) as agent:
    agent.sendall(b'{{"refused": "importing broken failed"}}\\n')
"""


def test_why_it_cannot_serve_is_known_also_when_it_ended_before_it_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    follow = ForkServer._follow

    def late(server: ForkServer) -> None:
        server._process.wait(60)
        follow(server)

    monkeypatch.setattr(ForkServer, "_follow", late)
    server = ForkServer([sys.executable, "-c", REFUSES], env={}, preload=())
    with pytest.raises(NodeError, match="importing broken failed"):
        server.wait_ready(60)
    assert server.wait(60)


def test_one_that_cannot_be_started_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = os.listdir("/proc/self/fd")
    with pytest.raises(NodeError, match="No such file or directory"):
        ForkServer(["/no/such/python"], env={}, preload=())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(NodeError, match=r"cannot start .*can't start new thread"):
        ForkServer([sys.executable, "-c", REFUSES], env={}, preload=())
    assert os.listdir("/proc/self/fd") == before
