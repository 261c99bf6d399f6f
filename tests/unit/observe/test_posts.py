"""Outcome posts, received by a real web server."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poltergust.base.errors import UsageError
from poltergust.base.progress import TaskFailure
from poltergust.base.reasons import Reason
from poltergust.observe import posts as posting
from poltergust.observe.posts import OutcomePosts, check_url
from poltergust.path.outcome import Config, RenameResult
from poltergust.path.records import RunRecord
from poltergust.runs.run import Run, Verdict
from tests.emulators.receiver import Receiver, receiver
from tests.emulators.servers import free_port, wait_until

SECRET = "s3cret-of-the-tests"
FAILED = Verdict(Reason.TASK_FAILED, "it failed", (TaskFailure("T_1", "T", "a traceback"),))


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(posting, "LAST_RETRY_SECONDS", 0.1)


def notices(url: str, results: Counter[str], **more: Any) -> OutcomePosts:
    def count(result: str) -> None:
        results[result] += 1

    return OutcomePosts(url, SECRET, path="gs://b/pipeline", node="here", result=count, **more)


def end(
    posts: OutcomePosts, name: str = "x", ending: RenameResult = RenameResult.WON, verdict: Verdict = FAILED
) -> None:
    run = Run(Config(name, "17", b""), RunRecord(name, "17", "here", started=12.5), began=0.0)
    posts.renamed(run, verdict, ending)


def test_the_winner_posts_once_and_signs(web: Receiver) -> None:
    results: Counter[str] = Counter()
    posts = notices(f"{web.url}/hook/key", results)
    posts.start()
    for ending in (RenameResult.LOST, RenameResult.NEWER, RenameResult.REFUSED, RenameResult.WON):
        end(posts, ending=ending)
    posts.stop()
    (post,) = web.posts
    assert post.path == "/hook/key"
    assert post.headers["Content-Type"] == "application/json"
    expected = hmac.new(SECRET.encode(), post.body, hashlib.sha256).hexdigest()
    assert post.headers["X-Poltergust-Signature-256"] == f"sha256={expected}"
    content = post.content
    assert len(content.pop("id")) == 32
    assert content.pop("time") > 1e9
    assert content == {
        "format": 1,
        "path": "gs://b/pipeline",
        "name": "x",
        "generation": "17",
        "outcome": "error",
        "reason": "task-failed",
        "text": "it failed",
        "node": "here",
        "started": 12.5,
        "failures": [{"task_id": "T_1", "family": "T"}],
    }
    assert results == {"delivered": 1}


def test_tried_again_with_the_same_id_in_order(web: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    web.answers += [503, 429, 500]
    results: Counter[str] = Counter()
    posts = notices(web.url + "/key-in-the-path", results)
    posts.start()
    end(posts, "first")
    end(posts, "second")
    wait_until(lambda: results["delivered"] == 2, "both")
    posts.stop()
    assert [post.content["name"] for post in web.posts] == ["first"] * 4 + ["second"]
    assert len({post.content["id"] for post in web.posts}) == 2
    assert caplog.text.count("cannot be posted to 127.0.0.1: HTTP 503; tried again") == 1
    assert SECRET not in caplog.text
    assert "key-in-the-path" not in caplog.text


@pytest.mark.parametrize("code", [301, 307, 400, 401, 404, 410])
def test_a_refusal_is_for_good_and_a_redirect_is_not_followed(
    web: Receiver, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    web.answers.append(code)
    results: Counter[str] = Counter()
    posts = notices(web.url, results)
    posts.start()
    end(posts)
    wait_until(lambda: results["undelivered"], "the end of it")
    posts.stop()
    assert len(web.posts) == 1
    assert f"the outcome of x was not posted to 127.0.0.1: HTTP {code}" in caplog.text


def test_a_receiver_that_comes_late_gets_it(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    results: Counter[str] = Counter()
    posts = notices(f"http://127.0.0.1:{port}/", results)
    posts.start()
    end(posts)
    wait_until(lambda: "tried again" in caplog.text, "a failed try")
    with receiver(port) as web:
        wait_until(lambda: web.posts, "the post")
        wait_until(lambda: results["delivered"], "its delivery to be counted")
    posts.stop()


def test_what_is_not_taken_in_time_is_given_up_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    results: Counter[str] = Counter()
    posts = notices(f"http://127.0.0.1:{free_port()}/", results, give_up=0.1)
    posts.start()
    end(posts)
    wait_until(lambda: results["undelivered"], "the end of it")
    posts.stop()
    assert "the outcome of x was not posted" in caplog.text


def test_the_queue_is_bounded_and_a_stop_says_what_it_leaves(caplog: pytest.LogCaptureFixture) -> None:
    results: Counter[str] = Counter()
    posts = notices(f"http://127.0.0.1:{free_port()}/", results, most=2)
    posts.start()
    for name in ("a", "b", "c"):
        end(posts, name)
    assert "the outcome of c was not posted to 127.0.0.1: 2 others wait already" in caplog.text
    posts.stop(flush=0.1)
    assert "the outcome of a was not posted to 127.0.0.1: this node stops" in caplog.text
    assert "the outcome of b was not posted to 127.0.0.1: this node stops" in caplog.text
    end(posts, "d")
    assert results["undelivered"] == 4


def test_a_stop_delivers_what_waits_for_its_next_try(web: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "FIRST_RETRY_SECONDS", 3600.0)
    monkeypatch.setattr(posting, "LAST_RETRY_SECONDS", 3600.0)
    web.answers.append(503)
    results: Counter[str] = Counter()
    posts = notices(web.url, results)
    posts.start()
    end(posts)
    wait_until(lambda: len(web.posts) == 1, "the first try")
    posts.stop(flush=60.0)
    assert results == {"delivered": 1}


def test_a_second_signal_ends_the_wait_for_a_receiver_that_is_gone() -> None:
    results: Counter[str] = Counter()
    asked: list[None] = []

    def hurry() -> bool:
        asked.append(None)
        return len(asked) > 5

    posts = notices(f"http://127.0.0.1:{free_port()}/", results, hurry=hurry)
    posts.start()
    end(posts)
    posts.stop(flush=3600.0)
    assert results == {"undelivered": 1}


def test_without_a_secret_nothing_is_signed_and_the_log_says_so(
    web: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    posts = OutcomePosts(web.url, None, path="/p", node="here")
    posts.start()
    end(posts)
    posts.stop()
    (post,) = web.posts
    assert not [name for name in post.headers if "signature" in name.lower()]
    assert "unsigned" in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "host/path",
        "https://",
        "https://user:hidden@host/",
        "https://@host/",
        "https://host/hidden key",
        "http://[hidden",
        "https://host:port/hidden",
        "https://host:99999/hidden",
        "https://host..lan/hidden",
        f"https://{'h' * 64}.lan/hidden",
    ],
)
def test_addresses_that_are_none_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(UsageError, match="--notify: write https://host/path") as found:
        check_url(url)
    assert "hidden" not in str(found.value)


@pytest.mark.parametrize("url", ["https://host/hidden-ü", "https://host/?hidden=ü"])
def test_an_address_that_a_request_cannot_hold_is_refused_with_how_to_write_it(url: str) -> None:
    with pytest.raises(UsageError, match=r"--notify: .* %C3%BC for ü") as found:
        check_url(url)
    assert "hidden" not in str(found.value)


@pytest.mark.parametrize("url", ["https://bücher.example/x", "http://[::1]:8080/x", "https://host/%C3%BC?key=1"])
def test_addresses_that_can_be_posted_to(url: str) -> None:
    assert check_url(url) == url


def test_the_documentations_own_check_takes_the_signature_and_no_other() -> None:
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["is_genuine"](b"key", b"body", posting.signature(b"key", b"body"))
    assert not found["is_genuine"](b"key", b"other", posting.signature(b"key", b"body"))
