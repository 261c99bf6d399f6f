"""Clients of the server: gsutil and gcloud, in a home of their own so that no user's is touched, and plain requests.

gsutil takes https only and is told host and port by options; gcloud takes one endpoint for the JSON API.
https://cloud.google.com/sdk/docs/properties, https://cloud.google.com/storage/docs/boto-gsutil
"""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Protocol
from urllib.error import HTTPError


class Endpoints(Protocol):
    """Where a test server answers; fake-gcs-server's launcher fits as well."""

    @property
    def url(self) -> str: ...

    @property
    def https_port(self) -> int: ...


def environment(server: Endpoints, home: Path, path: str) -> dict[str, str]:
    """Everything that gsutil, gcloud and google-cloud-storage read; `path` is PATH, `home` an existing empty folder."""
    return {
        "PATH": path,
        "HOME": str(home),
        "BOTO_CONFIG": "/dev/null",
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_CORE_PROJECT": "test-project",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{server.url}/",
        "STORAGE_EMULATOR_HOST": server.url,
    }


def gsutil(server: Endpoints, home: Path) -> list[str]:
    """The beginning of a gsutil command line; the subcommand follows."""
    options = (
        "Credentials:gs_json_host=127.0.0.1",
        f"Credentials:gs_json_port={server.https_port}",
        "Boto:https_validate_certificates=False",
        f"GSUtil:state_dir={home / 'gsutil'}",
    )
    return ["gsutil", *(word for option in options for word in ("-o", option))]


def plain_request(
    server: Endpoints, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request made by hand: status, headers with lower-case names, body."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    request = urllib.request.Request(server.url + path, body or None, named, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()
