"""How Google's own command-line tools are pointed at the server, with a home of their own so that no user's is touched.

gsutil takes https only and is told host and port by options; gcloud takes one endpoint for the JSON API.
https://cloud.google.com/sdk/docs/properties, https://cloud.google.com/storage/docs/boto-gsutil
"""

from __future__ import annotations

from pathlib import Path

from tests.emulators.gcs.server import StrictGcs


def environment(server: StrictGcs, home: Path, path: str) -> dict[str, str]:
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


def gsutil(server: StrictGcs, home: Path) -> list[str]:
    """The beginning of a gsutil command line; the subcommand follows."""
    options = (
        "Credentials:gs_json_host=127.0.0.1",
        f"Credentials:gs_json_port={server.https_port}",
        "Boto:https_validate_certificates=False",
        f"GSUtil:state_dir={home / 'gsutil'}",
    )
    return ["gsutil", *(word for option in options for word in ("-o", option))]
