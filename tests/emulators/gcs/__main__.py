"""Run the server by hand: `python -m tests.emulators.gcs --port 9023 --bucket mybucket`. Ctrl-C ends it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from tests.emulators.gcs.server import StrictGcs, strict_gcs

_HOW = """\
A Cloud Storage test server, all in memory: {url} and https://127.0.0.1:{https_port}

google-cloud-storage, poltergust:
  export STORAGE_EMULATOR_HOST={url}

gcloud:
  export CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE={url}/ CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true
  gcloud storage cp my.config.yaml gs://{bucket}/pipeline/

gsutil:
  gsutil -o Credentials:gs_json_host=127.0.0.1 -o Credentials:gs_json_port={https_port} \\
    -o Boto:https_validate_certificates=False cp my.config.yaml gs://{bucket}/pipeline/

Requests so far, and a fault on command:
  curl {url}/_control/requests
  curl -d '{{"call": "objects.move", "status": 503, "times": 2}}' {url}/_control/faults
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.gcs", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="http port (default: a free one)")
    parser.add_argument("--https-port", type=int, default=0, help="https port (default: a free one)")
    parser.add_argument("--bucket", action="append", default=[], help="make this bucket; repeatable")
    parser.add_argument("--pubsub", metavar="HOST:PORT", help="a Pub/Sub emulator that object changes are told to")
    parser.add_argument("--topic", metavar="projects/P/topics/T", help="tell every change of the buckets to this topic")
    options = parser.parse_args()
    if options.topic and not (options.pubsub and options.bucket):
        parser.error("--topic needs --pubsub and at least one --bucket")
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with strict_gcs(options.pubsub, port=options.port, https_port=options.https_port) as server:
        _fill(server, options.bucket, options.topic)
        bucket = options.bucket[0] if options.bucket else "mybucket"
        sys.stdout.write(_HOW.format(url=server.url, https_port=server.https_port, bucket=bucket))
        sys.stdout.flush()
        done.wait()
    return 0


def _fill(server: StrictGcs, buckets: list[str], topic: str | None) -> None:
    for bucket in buckets:
        server.create_bucket(bucket)
        if topic:
            server.notify(bucket, topic)


if __name__ == "__main__":
    sys.exit(main())
