"""The batch endpoint: up to a hundred calls in one multipart/mixed request.

https://cloud.google.com/storage/docs/batch: calls are carried out in no promised order, each answers for itself. A
fault that ends a connection ends that of the whole batch.
"""

from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Callable
from http import HTTPStatus

from tests.emulators.gcs.errors import invalid
from tests.emulators.gcs.exchange import Request, Response

MAX_CALLS = 100
_BOUNDARY = "batch_answer"


def answer_batch(request: Request, answer: Callable[[Request], Response]) -> Response:
    """Carry out every call of the batch through `answer`."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    if not message.is_multipart():
        raise invalid("A batch is a multipart/mixed body.")
    parts = list(message.iter_parts())
    if len(parts) > MAX_CALLS:
        raise invalid(f"A batch holds at most {MAX_CALLS} calls, not {len(parts)}.")
    made = b""
    for part in parts:
        text = part.get_payload(decode=True)
        if not isinstance(text, bytes):
            raise invalid("A part of the batch is not application/http.")
        response = answer(_inner(text, request))
        key = part.get("Content-ID", "").strip()
        made += _outer(response, f"<response-{key[1:]}" if key.startswith("<") else f"response-{key}")
    made += f"--{_BOUNDARY}--\r\n".encode()
    return Response(body=made, headers={"Content-Type": f"multipart/mixed; boundary={_BOUNDARY}"})


def _inner(text: bytes, outer: Request) -> Request:
    """One call of a batch. What it does not say of itself (credentials, client) the batch's headers say."""
    line, _, rest = text.lstrip().replace(b"\r\n", b"\n").partition(b"\n")
    head, _, body = rest.partition(b"\n\n")
    method, _, target = line.decode("latin-1").partition(" ")
    headers = email.parser.BytesHeaderParser().parsebytes(head)
    shared = {key: value for key, value in outer.headers.items() if key in ("authorization", "user-agent")}
    target = target.removesuffix(" HTTP/1.1").strip()
    return Request.of(method, target, {**shared, **dict(headers.items())}, body.strip(), outer.base)


def _outer(response: Response, key: str) -> bytes:
    phrase = HTTPStatus(response.status).phrase
    headers = {**response.headers, "Content-Length": str(len(response.body))}
    lines = [
        f"--{_BOUNDARY}",
        "Content-Type: application/http",
        f"Content-ID: {key}",
        "",
        f"HTTP/1.1 {response.status} {phrase}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + response.body + b"\r\n"
