"""Calls to the scheduler over connections that are kept, and what becomes of one that the other side gave up."""

from __future__ import annotations

import base64
import multiprocessing
import socket
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError

import pytest

from tests.emulators.servers import free_port, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Luigi's, when it is imported
    from poltergust.luigi_run.inside import connections

CALL = {"data": "{}"}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.headers: list[str | None] = []  # the password of each call
        self.open: list[socket.socket] = []  # every connection that was made

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def drop(self) -> None:
        """As a scheduler that was started again, or something on the way that has forgotten the connection."""
        self.open[-1].shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.open.append(self.connection)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.headers.append(self.headers["Authorization"])
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with serving(made):
        yield made


def ask(fetcher: connections.Kept, server: Server) -> str:
    return fetcher.fetch(f"{server.url}/api/ping", CALL, 10)


def test_many_calls_one_connection(server: Server) -> None:
    fetcher = connections.Kept("Basic eA==")
    assert [ask(fetcher, server) for _ in range(5)] == ["{}"] * 5
    assert server.headers == ["Basic eA=="] * 5
    assert len(server.open) == 1


def test_each_thread_has_its_own(server: Server) -> None:
    fetcher = connections.Kept("")
    ask(fetcher, server)
    for _ in range(2):
        thread = threading.Thread(target=ask, args=(fetcher, server))
        thread.start()
        thread.join()
    ask(fetcher, server)
    assert len(server.open) == 3


def test_a_fork_speaks_through_one_of_its_own(server: Server) -> None:
    fetcher = connections.Kept("")
    ask(fetcher, server)
    child = multiprocessing.get_context("fork").Process(target=ask, args=(fetcher, server))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    ask(fetcher, server)
    assert (len(server.headers), len(server.open)) == (3, 2)


def test_one_that_was_dropped_is_made_again(server: Server) -> None:
    fetcher = connections.Kept("")
    for _ in range(3):
        assert ask(fetcher, server) == "{}"
        server.drop()
    assert (len(server.headers), len(server.open)) == (3, 3)


def test_one_that_was_long_unused_is_not_trusted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.0)
    fetcher = connections.Kept("")
    for _ in range(2):
        ask(fetcher, server)
    assert len(server.open) == 2


def test_a_refusal_is_raised_as_urllib_raises_it(server: Server) -> None:
    server.status = 401
    for fetcher in (connections.Proxied(""), connections.Kept("")):
        with pytest.raises(HTTPError, match="HTTP Error 401: Unauthorized"):
            fetcher.fetch(f"{server.url}/api/ping", CALL, 10)
    server.status = 200
    assert ask(fetcher, server) == "{}"


def test_nobody_there_is_raised_as_urllib_raises_it() -> None:
    url = f"http://127.0.0.1:{free_port()}/api/ping"
    said = set()
    for fetcher in (connections.Proxied(""), connections.Kept("")):
        with pytest.raises(URLError) as caught:
            fetcher.fetch(url, CALL, 10)
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_proxy_is_left_to_urllib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.rpc, "HAS_REQUESTS", False)
    for name in ("http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert type(connections.fetcher("http://scheduler:8082")) is connections.Kept
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    assert type(connections.fetcher("http://scheduler:8082")) is connections.Proxied
    monkeypatch.setenv("no_proxy", "scheduler")
    assert type(connections.fetcher("http://scheduler:8082")) is connections.Kept


@pytest.mark.parametrize("requests", [True, False])
def test_a_client_of_luigis_own_decodes_the_password(
    server: Server, monkeypatch: pytest.MonkeyPatch, requests: bool
) -> None:
    """What a task's `luigi.build` makes of the address that it is given."""
    rpc = connections.rpc
    monkeypatch.setattr(rpc, "HAS_REQUESTS", requests)
    monkeypatch.setattr(rpc, "URLLibFetcher", rpc.URLLibFetcher)  # as it is put back afterwards
    connections.decode_credentials()
    scheduler = rpc.RemoteScheduler(server.url.replace("//", "//user:p%40ss@"))
    scheduler._fetcher.fetch(f"{scheduler._url}/api/ping", CALL, 10)
    assert server.headers == ["Basic " + base64.b64encode(b"user:p@ss").decode()]
