"""A real browser for the page: Debian's Chromium, driven by Playwright, which brings none of its own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from tests.needs import missing

AXE = Path(__file__).with_name("vendor") / "axe.js"

ARGUMENTS = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Skips, or fails under CI, where the machine has none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("chromium", "apt-get install chromium")
        raise AssertionError("unreachable")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Look:
    """A page with what it complained about: `problems` are script errors and refusals of the content-security policy,
    `foreign` the hosts it asked that are not the page's own."""

    page: Page
    base: str
    problems: list[str] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)

    def open(self, path: str) -> Page:
        self.page.goto(self.base + path.lstrip("/"))
        return self.page

    def overflow(self) -> int:
        """Pixels that the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def barriers(self) -> list[str]:
        """What axe-core calls serious or critical, a line each."""
        self.page.evaluate(AXE.read_text("utf-8"))
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['impact']} {one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"][:3]
        ]


@contextlib.contextmanager
def look(browser: Browser, base: str, **context: Any) -> Iterator[Look]:
    """A window of its own, 1280 by 900 unless `context` says another `viewport`. It must not complain."""
    opened = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
    opened.set_default_timeout(30_000)
    seen = Look(opened.new_page(), base)
    host = urlsplit(base).netloc

    def asked(url: str) -> None:
        if urlsplit(url).netloc not in ("", host):
            seen.foreign.add(urlsplit(url).netloc)

    seen.page.on("request", lambda request: asked(request.url))
    seen.page.on("pageerror", lambda error: seen.problems.append(str(error)))
    seen.page.on(
        "console",
        lambda message: seen.problems.append(message.text) if "Content Security Policy" in message.text else None,
    )
    try:
        yield seen
        assert seen.problems == []
        assert seen.foreign == set()
    finally:
        opened.close()
