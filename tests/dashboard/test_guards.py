"""Nobody is led to the page by another page: names, headers, methods."""

from __future__ import annotations

from pathlib import Path

import pytest

from poltergust.base.errors import UsageError
from poltergust.dashboard.settings import DashboardSettings
from tests.dashboard.serving import Site

TOKEN = "a token that is long enough"


def test_the_page_answers_only_under_names_of_its_own(tmp_path: Path) -> None:
    with Site(tmp_path).served(allowed_hosts=frozenset({"runs.example"})) as page:
        for name in (page.netloc, "localhost:1", "[::1]", "runs.example", "RUNS.example:443"):
            assert page.get("/", Host=name).status == 200, name
        for name in ("evil.example", "127.0.0.1.evil.example", "evil.example:8090", "localhost.evil.example"):
            for path in ("/", "/api/overview", "/static/page.js", "/nothing"):
                refused = page.get(path, Host=name)
                assert refused.status == 421, (name, path)
                assert "Overview" not in refused.text


@pytest.mark.parametrize("path", ["/", "/api/overview", "/static/page.js", "/nothing", "/runs/nothing"])
def test_every_answer_forbids_foreign_scripts_frames_and_sniffing(tmp_path: Path, path: str) -> None:
    with Site(tmp_path).served() as page:
        headers = page.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/runs/..%2F..%2Fetc%2Fpasswd",
        "/runs/../../etc/passwd",
        "/runs/a%00b",
        "/runs//etc/passwd",
        "/api/runs/..%2Fenvironment%2Fplain",
        "/events?topic=run:../x",
        "/static/../server.py",
        "/static/%2e%2e/server.py",
    ],
)
def test_no_address_leads_outside_the_path(tmp_path: Path, path: str) -> None:
    with Site(tmp_path).served() as page:
        answer = page.get(path)
    assert answer.status in (403, 404)
    assert "root:" not in answer.text
    assert "import " not in answer.text


def test_a_token_is_not_for_an_address_that_others_reach_unless_forced() -> None:
    with pytest.raises(UsageError, match="--force-remote-actions"):
        DashboardSettings(address=("0.0.0.0", 8090), token=TOKEN)
    DashboardSettings(address=("0.0.0.0", 8090), token=TOKEN, allow_remote_actions=True)
    with pytest.raises(UsageError, match="shorter than 16"):
        DashboardSettings(address=("127.0.0.1", 8090), token="short")
