"""Anything at all where strangers can speak: notifications, HTTP, locks. It changes nothing, and who hears it goes on.

Records and marks are fuzzed in `test_stored_input`, claims in `test_folder_claims`, redaction in `test_redaction`.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poltergust.base.errors import PoltergustError
from poltergust.environments import resolve
from poltergust.environments.lines import read_text
from poltergust.observe.http import Answer, PageServer
from poltergust.path.layout import Kind, WatchedPath
from poltergust.sources.pubsub.source import PubSubSource
from poltergust.sources.pubsub.subscriptions import Named
from tests.dashboard.serving import Site
from tests.emulators.servers import free_port, port_open, running
from tests.security.fuzz import fuzzed

PREFIX = "gs://mybucket/pipeline/"
pieces = st.sampled_from(
    ["pipeline/", "x.config.yaml", "..", "/", "//", "\0", "\n", "\x1b[31m", "\u202e", "mybucket", "a" * 1100, "ü", " "]
)
names = st.lists(pieces | st.text(max_size=8), max_size=6).map("".join)
keys = st.sampled_from(["eventType", "bucketId", "objectId", "objectGeneration", "payloadFormat"]) | names
attributes = st.fixed_dictionaries(
    {},
    optional={
        "eventType": st.just("OBJECT_FINALIZE") | names,
        "bucketId": st.just("mybucket") | names,
        "objectId": names,
    },
).flatmap(lambda sound: st.dictionaries(keys, names, max_size=4).map(lambda more: {**more, **sound}))


def test_no_notification_whatever_is_more_than_a_name_below_the_path(caplog: pytest.LogCaptureFixture) -> None:
    """It comes again at once, for ever, if the callback raises or does not acknowledge it."""
    source, path = PubSubSource(Named("projects/p/subscriptions/s"), PREFIX), WatchedPath(PREFIX.rstrip("/"))
    handed: list[str] = []
    source._changed = handed.append

    @given(attributes)
    @fuzzed
    def search(message: dict[str, str]) -> None:
        acknowledged: list[bool] = []
        handed.clear()
        source._receive(SimpleNamespace(attributes=message, ack=lambda: acknowledged.append(True)))
        assert acknowledged == [True]
        assert source.deliveries().failed == 0, caplog.text
        for url in handed:
            assert url.startswith(PREFIX)
            name = path.name_of(url)
            assert name is None or path.of(name, Kind.CONFIG) == url, "a name leads to the object it was made from"

    search()


verbs = st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT", "TRACE", "get", "PRI", ""]) | names
targets = st.sampled_from(
    ["/", "/healthz", "/metrics", "/status.json", "/api/overview", "/events?topic=run:x", "/api/add_task", "*", "//",
     "/%00", "/api/worker_list?data={", "http://[/", "/runs/" + "%2e%2e%2f" * 50, "/LONG"]
).flatmap(lambda target: st.just(target) | names.map(lambda more: target + more))  # fmt: skip
header_names = st.sampled_from(
    ["Host", "Origin", "Authorization", "Content-Length", "Transfer-Encoding", "Sec-Fetch-Site", "Cookie", "Accept",
     "Expect", "Upgrade", "Content-Type", "Range", "If-None-Match"]
)  # fmt: skip
values = st.sampled_from(
    ["127.0.0.1", "localhost:1", "[", "http://[", "Basic", "Basic //", "Basic gA==", "-1", "99999999999999999999",
     "chunked", "gzip, chunked", "cross-site", "\x00", "é", "LONG", "100-continue", "websocket", "bytes=0-0,-1",
     '"', "", "::1"]
) | names  # fmt: skip
requests_made = st.builds(
    lambda verb, target, version, headers, body: (
        (f"{verb} {target} {version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode(
            "utf-8", "surrogatepass"
        )
        + body
    ),
    verbs,
    targets,
    st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/9", "", "HTTP/1.1 x"]),
    st.lists(st.tuples(header_names, values), max_size=5).map(lambda drawn: [("Host", "HOST"), *drawn]),
    st.binary(max_size=64),
)
wire = st.one_of(requests_made, st.binary(max_size=200))
LONG = b"a" * 70_000
"""In the place of the word: written out in an example, it is more than Hypothesis is willing to show."""


@contextlib.contextmanager
def health(folder: Path) -> Iterator[str]:
    server = PageServer(("127.0.0.1", 0), {"/healthz": lambda accept: Answer(200, accept)})
    server.start()
    yield server.url
    server.stop()


@contextlib.contextmanager
def page(folder: Path) -> Iterator[str]:
    with Site(folder).served(token="a token that is long enough") as served:
        yield f"http://{served.netloc}"


@contextlib.contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    port, password = free_port(), folder / "password"
    password.write_text("secret-of-the-tests", encoding="utf-8")
    password.chmod(0o600)
    argv = [sys.executable, "-m", "poltergust", "scheduler", f"--port={port}", f"--state-dir={folder / 'state'}"]
    with running([*argv, f"--password-file={password}"], ready=lambda: port_open(port), log=folder / "log", cwd=folder):
        yield f"http://127.0.0.1:{port}"


def said(url: str, data: bytes, end: bool = True) -> bytes:
    """The beginning of what the server says to `data`; whether it says anything is its own business."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60)
    with connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        if end:
            with contextlib.suppress(OSError):  # ENOTCONN: the server has refused it and closed
                connection.shutdown(socket.SHUT_WR)
        return connection.recv(65536)
    return b""


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize(
    ("serve", "asked", "sound"),
    [(health, "/healthz", b" 200 "), (page, "/api/overview", b" 200 "), (scheduler, "/api/worker_list", b" 401 ")],
    ids=["health", "page", "scheduler"],
)
def test_no_request_whatever_ends_a_server_or_gets_past_it(
    tmp_path: Path, serve: object, asked: str, sound: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(serve)
    with serve(tmp_path) as url:
        host = urlsplit(url).netloc

        @given(wire)
        @fuzzed
        @example(b"POST / HTTP/1.1\r\nHost: HOST\r\nOrigin: http://[\r\n\r\n")
        def search(data: bytes) -> None:
            answer = said(url, data.replace(b"HOST", host.encode()).replace(b"LONG", LONG))
            assert b"Traceback" not in answer
            assert b" 500 " not in answer.split(b"\r\n")[0]
            if sound == b" 401 ":
                assert b" 200 " not in answer.split(b"\r\n")[0]
            question = f"GET {asked} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            assert sound in said(url, question, end=False).split(b"\r\n")[0], "it goes on"

        search()
    log = tmp_path / "log"
    assert "Traceback" not in (log.read_text(errors="replace") if log.exists() else caplog.text)


LINES = tuple(read_text("alpha\ndelta @ git+https://host/a/delta.git@main\n", "dependencies"))
CHOSEN = [
    f"alpha==1.1 --hash=sha256:{'1' * 64}",
    f"beta==2.0 --hash=sha256:{'2' * 64} --hash=sha256:{'3' * 64}",
    f"delta @ git+https://host/a/delta.git@{'4' * 40}",
]
entries = st.lists(
    st.sampled_from(
        [*CHOSEN, "alpha", "==", "1.1", " ", "@", " @ ", "git+https://host/a/delta.git", "4" * 40, "--hash=sha256:",
         "1" * 64, "evil==1.0", "\\\n", "-r x", "-e .", "--index-url http://h/", "#", ";", "python_version > '3'",
         "[x]", "${A}", "beta==2"]
    )
    | st.text(max_size=6),
    max_size=6,
).map("".join)  # fmt: skip
locks = st.lists(st.sampled_from(CHOSEN) | entries, max_size=6).map("\n".join)


@given(locks)
@fuzzed
def test_no_lock_whatever_leads_to_another_installation(lock: str) -> None:
    """Refused, or as the file's own lines say: there is no third."""
    if not resolve.only_pins(lock, LINES):
        return
    for line in read_text(lock, "lock"):
        assert not any(word in line.text for word in ("--index-url", "-r x", "-e .", "http://"))
    resolve.constraints(lock)
    resolve.versions(lock)
    own = [line.requirement for line in resolve.at_commits(lock, LINES)]
    assert own[0] == "alpha"
    assert own[1].startswith("delta @ git+https://host/a/delta.git@") or "git+https://host/a/delta.git@" in own[1]
    try:
        agreed = resolve.agreed(lock, CHOSEN)
    except resolve.NotOfTheFile:
        return
    assert [entry.partition(" --hash")[0] for entry in agreed] == [entry.partition(" --hash")[0] for entry in CHOSEN]
    for entry, own_entry in zip(agreed, CHOSEN, strict=True):
        assert set(entry.split()) <= set(own_entry.split())
        assert ("--hash" in entry) == ("--hash" in own_entry)


def test_the_fuzzers_own_words_reach_what_they_are_for() -> None:
    """Sound input is among what they say: a fuzzer whose every word is refused at the door proves nothing."""
    assert resolve.only_pins("\n".join(CHOSEN), LINES)
    assert resolve.agreed("\n".join(CHOSEN), CHOSEN) == CHOSEN
    with pytest.raises(PoltergustError):
        read_text("--no-such", "lock")
