"""The page server over real sockets: what it serves, and what clients that misbehave cannot do to it."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from poltergust.base.errors import UsageError
from poltergust.observe import http as service_http
from poltergust.observe.http import Answer, PageServer, loopback, shown
from tests.emulators.servers import wait_until


def broken(accept: str) -> Answer:
    raise RuntimeError("broken")


@pytest.fixture
def server() -> Iterator[PageServer]:
    pages = {"/": lambda accept: Answer(200, f"näh {accept}"), "/bad": lambda _: Answer(503, "no\n"), "/broken": broken}
    served = PageServer(("127.0.0.1", 0), pages)
    served.start()
    yield served
    served.stop()


def ask(server: PageServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with contextlib.closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)) as connection:
        connection.request(method, path, headers={"Accept": "text/x"})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()


def connect(server: PageServer) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


def test_pages_by_path_with_their_status(server: PageServer) -> None:
    code, headers, body = ask(server, "/?x=1")
    assert (code, body.decode()) == (200, "näh text/x")
    assert headers["Cache-Control"] == "no-store"
    assert "Python" not in headers["Server"]
    assert ask(server, "/bad")[0] == 503
    assert ask(server, "/no/such")[0] == 404
    assert ask(server, "/", "HEAD")[::2] == (200, b"")
    assert ask(server, "/", "POST")[0] == 501


def test_a_page_that_fails_is_said_in_the_log_and_the_server_goes_on(
    server: PageServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(server, "/broken")[0] == 500
    assert "the page /broken could not be made" in caplog.text
    assert ask(server, "/")[0] == 200


def test_a_client_that_says_nothing_is_let_go(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_http._Handler, "timeout", 0.2)
    with connect(server) as silent:
        assert silent.recv(1) == b""


def test_a_client_that_trickles_is_let_go_as_well(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_http, "CONNECTION_LIMIT_SECONDS", 0.5)
    with connect(server) as slow:
        slow.settimeout(0.1)

        def ended() -> bool:
            try:
                slow.sendall(b"G")
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        wait_until(ended, "the connection to be closed")


def test_slow_clients_that_take_every_place_do_not_keep_others_out(server: PageServer) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(server)) for _ in range(service_http.MAX_REQUESTS)]
        wait_until(lambda: len(server._server._deadlines) == len(held), "every place to be taken")
        for _ in range(3):
            assert ask(server, "/")[0] == 200
        assert held[0].recv(1) == b""  # the oldest had to make room
        assert held[-1].send(b"GET / HTTP/1.0\r\n\r\n")
        assert held[-1].recv(1) == b"H"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:80", 200),
        ("attacker.example", 421),
        ("a:b:c]", 421),
        ("", 421),
    ],
)
def test_a_page_of_another_site_cannot_read_it_by_a_name_of_its_own(server: PageServer, host: str, status: int) -> None:
    with contextlib.closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)) as connection:
        connection.request("GET", "/", headers={"Host": host})
        assert connection.getresponse().status == status


def test_an_address_in_use_is_the_users_to_change(server: PageServer) -> None:
    port = urlsplit(server.url).port
    assert port is not None
    with pytest.raises(UsageError, match=f"--http 127.0.0.1:{port}: Address already in use"):
        PageServer(("127.0.0.1", port), {})


def test_listening_to_the_world_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = PageServer(("0.0.0.0", 0), {})
    served.start()
    served.stop()
    assert "there is no password" in caplog.text


def test_addresses() -> None:
    assert loopback("127.0.0.1")
    assert loopback("::1")
    assert not loopback("0.0.0.0")
    assert shown(("::1", 80)) == "[::1]:80"
