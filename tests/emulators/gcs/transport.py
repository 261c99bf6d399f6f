"""Sockets: HTTP/1.1 with keep-alive, a thread for each connection, plain and with a certificate made on the spot.

gsutil speaks only https to a server that is not Google's, hence both. The Date header follows the server's own clock.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.emulators.gcs.errors import Disconnect
from tests.emulators.gcs.exchange import Request, Response

_BODILESS = (204, 304)


class Handler(BaseHTTPRequestHandler):
    """Read one request, hand it on, write the answer; a Disconnect resets the connection."""

    protocol_version = "HTTP/1.1"
    server_version = "UploadServer"
    disable_nagle_algorithm = True
    wbufsize = -1  # one write for head and body: a small answer must not wait for a delayed acknowledgement
    server: Server

    def handle_request(self) -> None:
        body = self._body()
        host = self.headers.get("Host") or f"127.0.0.1:{self.server.port}"
        request = Request.of(
            self.command, self.path, dict(self.headers.items()), body, f"{self.server.scheme}://{host}"
        )
        try:
            self._write(self.server.answer(request))
        except Disconnect:
            self._abort()

    # What http.server calls:
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request

    def handle_expect_100(self) -> bool:
        """curl announces a large body and waits for this before it sends it."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def handle(self) -> None:
        # A client that goes away in the middle, or refuses the certificate, is not this server's error.
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            super().finish()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunked()
        body = self.rfile.read(length := int(self.headers.get("Content-Length") or 0))
        if len(body) < length:
            raise ConnectionResetError("the client went away in the middle of its body")
        return body

    def _chunked(self) -> bytes:
        made = b""
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            made += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return made

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status not in _BODILESS:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if response.status not in _BODILESS and self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _abort(self) -> None:
        """Close with a reset instead of an orderly end, as a broken network looks."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.forget(self.connection)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.server.clock() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the request log is kept in memory."""


class Server(ThreadingHTTPServer):
    """One listening socket. With `context` it speaks TLS, the handshake in the connection's own thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(
        self,
        port: int,
        answer: Callable[[Request], Response],
        clock: Callable[[], float],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.clock = clock
        self.scheme = "https" if context else "http"
        self._context = context
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=f"gcs-{self.scheme}", daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self.shutdown()
        self.server_close()
        self._thread.join(30)
        with self._guard:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._guard:
            self._connections.add(connection)
        return connection, address

    def forget(self, connection: socket.socket) -> None:
        """Close without the usual orderly shutdown."""
        with self._guard:
            self._connections.discard(connection)
        connection.close()

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if not isinstance(request, socket.socket):
            raise TypeError("a stream server has no datagrams")
        with self._guard:
            known = request in self._connections
            self._connections.discard(request)
        if known:
            super().shutdown_request(request)


def tls_context() -> ssl.SSLContext:
    """A server context with a new self-made certificate for 127.0.0.1 and localhost, valid for a week."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.touch(mode=0o600)
        path.write_bytes(private + certificate.public_bytes(pem))
        context.load_cert_chain(path)
    return context
