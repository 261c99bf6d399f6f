"""The server's own endpoint below `/_control/`, for tests that run it in another process and for trying things out.

    GET    /_control/requests            the request log
    DELETE /_control/requests            forget it
    GET    /_control/faults              standing faults with their hits
    POST   /_control/faults              {"call": "objects.move", "how": "status", "status": 503, "times": 2, ...}
    POST   /_control/faults/N/release    let the calls held by fault N go on
    POST   /_control/faults/N/drop       end them without effect or answer
    DELETE /_control/faults              forget all
    POST   /_control/clock               {"shift": SECONDS}
    POST   /_control/notifications       {"copies": 0}
    POST   /_control/reset               empty of everything

These calls are neither logged nor subject to faults. No bucket can have that name, so nothing of Google's is hidden.
"""

from __future__ import annotations

import dataclasses
import json
import re

from tests.emulators.gcs.errors import ApiError, invalid
from tests.emulators.gcs.exchange import Request, Response
from tests.emulators.gcs.faults import Fault
from tests.emulators.gcs.model import Json
from tests.emulators.gcs.service import Service, refusal

_FAULT = re.compile(r"faults/(\d+)/(release|drop)")
_SETTABLE = ("call", "how", "status", "times", "skip", "seconds", "object", "token", "user_agent")


class Control:
    """Answers what is below `/_control/`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def answer(self, request: Request) -> Response | None:
        """None for what is not a control call."""
        if not request.path.startswith("/_control/"):
            return None
        try:
            made = self._do(request.method, request.path.removeprefix("/_control/"), request)
        except ApiError as error:
            return refusal(error)
        return Response(body=json.dumps(made).encode(), headers={"Content-Type": "application/json"})

    def _do(self, method: str, what: str, request: Request) -> object:
        service = self._service
        match (method, what):
            case "GET", "requests":
                return [dataclasses.asdict(record) for record in service.requests()]
            case "DELETE", "requests":
                service.forget_requests()
            case "GET", "faults":
                return [_shown(fault) for fault in service.faults.all()]
            case "POST", "faults":
                return self._add(request.json())
            case "DELETE", "faults":
                service.faults.clear()
            case "POST", "clock":
                service.offset += _value(request, "shift")
            case "POST", "notifications":
                service.publisher.copies = int(_value(request, "copies"))
            case "POST", "reset":
                service.reset()
            case "POST", _ if found := _FAULT.fullmatch(what):
                faults = service.faults.all()
                if int(found[1]) >= len(faults):
                    raise ApiError(404, f"There is no fault {found[1]}.")
                fault = faults[int(found[1])]
                fault.release() if found[2] == "release" else fault.drop()
            case _:
                raise ApiError(404, f"No such control call: {method} {what}")
        return {}

    def _add(self, body: Json) -> Json:
        unknown = set(body) - set(_SETTABLE)
        if unknown or "call" not in body:
            raise invalid(f"A fault has a call, and of {', '.join(_SETTABLE)} what is needed; not {sorted(unknown)}.")
        try:
            fault = self._service.faults.add(Fault(**body))  # type: ignore[arg-type]
        except ValueError as error:
            raise invalid(str(error)) from error
        return {"number": self._service.faults.all().index(fault), **_shown(fault)}


def _value(request: Request, key: str) -> float:
    given = request.json().get(key)
    if not isinstance(given, int | float):
        raise invalid(f"A number {key!r} was expected.")
    return given


def _shown(fault: Fault) -> Json:
    return {**{key: getattr(fault, key) for key in _SETTABLE}, "hits": fault.hits}
