"""What the server refuses, in Google's JSON form.

The body's shape and the reasons: https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

_REASONS = {
    304: "notModified",
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    408: "requestTimeout",
    409: "conflict",
    410: "gone",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    500: "internalError",
    501: "notImplemented",
    502: "backendError",
    503: "backendError",
    504: "backendError",
}


class ApiError(Exception):
    """One refused call: HTTP status, Google's reason code, a message for a person."""

    def __init__(self, status: int, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason if reason is not None else _REASONS.get(status, "unknown")

    def resource(self) -> dict[str, object]:
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


class Disconnect(Exception):
    """The connection ends with a reset and no answer."""


def invalid(message: str) -> ApiError:
    return ApiError(400, message)


def no_bucket() -> ApiError:
    return ApiError(404, "The specified bucket does not exist.")


def no_object(bucket: str, name: str) -> ApiError:
    return ApiError(404, f"No such object: {bucket}/{name}")
