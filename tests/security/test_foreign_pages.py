"""A web page that somebody has open beside the scheduler's: what a browser sends for it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.security.test_scheduler import PASSWORD, scheduler

TASK = {"task_id": "Evil_1", "family": "Evil", "module": "evil", "worker": "w", "params": {}}
AUTH = ("poltergust", PASSWORD)


@pytest.mark.parametrize("password", [PASSWORD, None])
def test_no_page_changes_anything_by_an_address_alone(tmp_path: Path, password: str | None) -> None:
    """An image or link of any page is a GET. Browsers send it with the password that they remember, without Origin,
    and to a scheduler on the network, by plain HTTP, without Sec-Fetch-Site too (Fetch Metadata, section 2)."""
    with scheduler(tmp_path, password=password) as url:
        for method in ("add_task", "add%5Ftask", "disable_worker", "re_enable_task", "get_work", "no_such", ""):
            changing = f"{url}/api/{method}?data={quote(json.dumps(TASK))}"
            for ask in (requests.get, requests.head):
                assert ask(changing, auth=AUTH, timeout=10).status_code == 403, method
        asked = requests.get(f"{url}/api/task_list", auth=AUTH, timeout=10)
        assert asked.json() == {"response": {}}, "who only asks may do so by an address"


def test_luigis_own_pages_still_change_things(tmp_path: Path) -> None:
    """By GET, with a header of jQuery's that a page of another site cannot set."""
    with scheduler(tmp_path) as url:
        enable = f"{url}/api/re_enable_task?data={quote(json.dumps({'task_id': 'x'}))}"
        assert requests.get(enable, auth=AUTH, timeout=10).status_code == 403
        own = {"X-Requested-With": "XMLHttpRequest"}
        assert requests.get(enable, headers=own, auth=AUTH, timeout=10).status_code == 200
        preflight = {"Origin": "http://evil.example", "Access-Control-Request-Headers": "x-requested-with"}
        assert requests.options(enable, headers=preflight, auth=AUTH, timeout=10).status_code == 403
