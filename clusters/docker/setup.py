"""Make the topic or the bucket on the emulators of compose.emulators.yaml: `python setup.py topic|bucket`.

Waits up to a minute for the emulator to answer; what is there already is fine.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request

TOPIC, BUCKET = "poltergust", "mybucket"


def request(method: str, url: str, body: object) -> int:
    """The status of the answer; raises OSError while nobody answers."""
    data = json.dumps(body).encode()
    call = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310  # the emulators' addresses are the compose file's
    try:
        with urllib.request.urlopen(call, timeout=10) as answer:  # noqa: S310  # the emulators' addresses are the compose file's
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return int(error.code)


def main(what: str) -> int:
    if what == "topic":
        project = os.environ["GOOGLE_CLOUD_PROJECT"]
        call = ("PUT", f"http://{os.environ['PUBSUB_EMULATOR_HOST']}/v1/projects/{project}/topics/{TOPIC}", {})
    else:
        call = ("POST", f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b?project=demo", {"name": BUCKET})
    end = time.monotonic() + 60
    while True:
        try:
            status = request(*call)
        except OSError as error:
            if time.monotonic() > end:
                sys.stderr.write(f"{call[1]}: {error}\n")
                return 1
            time.sleep(0.5)
        else:
            return 0 if status in (200, 409) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
