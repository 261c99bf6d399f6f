"""A small package index over real HTTP: PEP 503 and 658 pages made from a folder of distributions, plain files below
`/files/` and `/git/`, basic authentication, a log of requests, and the process arguments visible meanwhile."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_METADATA = ' data-core-metadata="true"'  # as the public registry: no need to fetch a wheel to resolve


@dataclass
class Index:
    """A running index. Files may be added to `folder` while it runs. `fail` answers everything with that status,
    `before` is called with each path before it is answered (it may block)."""

    folder: Path
    credentials: str = ""
    port: int = 0
    fail: int = 0
    requests: list[str] = field(default_factory=list)
    arguments_seen: set[str] = field(default_factory=set)
    watch_arguments: bool = False
    before: Callable[[str], None] = lambda path: None

    def url(self, path: str = "/simple/", credentials: str = "") -> str:
        return f"http://{credentials + '@' if credentials else ''}127.0.0.1:{self.port}{path}"

    def downloads(self, name: str) -> list[str]:
        """Requests that fetched a distribution of `name`."""
        return [path for path in self.requests if path.startswith(f"/files/{name}-") and ".metadata" not in path]


@contextlib.contextmanager
def serve(folder: Path, credentials: str = "") -> Iterator[Index]:
    """Serve `folder`; with `credentials` (`user:password`) everything else is answered with 401."""
    folder.mkdir(parents=True, exist_ok=True)
    index = Index(folder, credentials)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            index.requests.append(self.path)
            index.before(self.path)
            if index.watch_arguments:
                index.arguments_seen.update(_all_arguments())
            wanted = "Basic " + base64.b64encode(index.credentials.encode()).decode()
            if index.fail:
                self._answer(index.fail, b"not now")
            elif index.credentials and self.headers.get("Authorization") != wanted:
                self._answer(401, b"who are you?", ("WWW-Authenticate", 'Basic realm="index"'))
            else:
                self._serve(self.path.split("?")[0])

        def do_HEAD(self) -> None:
            self.do_GET()

        def _serve(self, path: str) -> None:
            if path.startswith("/simple/"):
                page = _page(index.folder, path.strip("/").split("/")[1:])
                self._answer(200 if page else 404, page or b"no such project", ("Content-Type", "text/html"))
                return
            kind, _, rest = path.lstrip("/").partition("/")
            file = (index.folder if kind == "files" else index.folder / kind) / rest
            if kind == "files" and rest.endswith(".whl.metadata"):
                self._answer(200, _metadata(file.with_suffix("")))
            elif kind in ("files", "git") and file.is_file() and ".." not in rest:
                # as registries do; without it a client may not keep what it fetched
                kept = ("Cache-Control", "max-age=86400, immutable" if kind == "files" else "no-cache")
                self._answer(200, file.read_bytes(), ("Content-Type", "application/octet-stream"), kept)
            else:
                self._answer(404, b"no such file")

        def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _page(folder: Path, parts: list[str]) -> bytes | None:
    files = sorted(file for file in folder.iterdir() if file.name.endswith((".whl", ".tar.gz")))
    if not parts:
        names = {_project(file) for file in files}
        return "".join(f'<a href="/simple/{name}/">{name}</a>\n' for name in sorted(names)).encode()
    mine = [file for file in files if _project(file) == parts[0]]
    if not mine:
        return None
    digests = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in mine}
    links = (
        f'<a href="/files/{file.name}#sha256={digests[file]}"{_METADATA if file.suffix == ".whl" else ""}>'
        f"{file.name}</a>\n"
        for file in mine
    )
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")))


def _project(file: Path) -> str:
    return re.sub(r"[-_.]+", "-", file.name.split("-")[0]).lower()


def _all_arguments() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
