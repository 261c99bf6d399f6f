"""What redaction costs: MB/s of a pipeline's output through it, beside copying the same bytes.

    python benchmarks/redaction.py [--secrets 15] [--megabytes 8]

The output is lines as Luigi and a task write them. The copy is the same loop, from bytes to lines to text and back to
bytes, without the redactor: the ratio is what masking adds to what must be done anyway.
"""

from __future__ import annotations

import argparse
import io
import random
import secrets
import sys
import time
from collections.abc import Callable

from poltergust.base.redaction import LineRedactor, Redactor
from poltergust.processes.lines import MAX_LINE_BYTES, LineSplitter

READ_BYTES = 64 * 1024


def output(size: int) -> bytes:
    dice = random.Random(1)
    data = io.BytesIO()
    while data.tell() < size:
        number = dice.getrandbits(40)
        data.write(
            f"2026-01-01 12:00:00,{number % 1000:03d} INFO luigi-interface: Task Load_{number:x} (PID 4242) read "
            f"{number % 9973} rows of /data/in/{number % 31}.csv in {dice.random():.3f} s\n".encode()
        )
    return data.getvalue()


def throughput(data: bytes, line: Callable[[str], str]) -> float:
    """MB/s."""
    splitter, copied = LineSplitter(), io.BytesIO()
    started = time.perf_counter()
    for start in range(0, len(data), READ_BYTES):
        for text in splitter.feed(data[start : start + READ_BYTES], 0.0):
            copied.write(line(text).encode() + b"\n")
    return len(data) / 1e6 / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--secrets", type=int, default=15, help="how many the redactor knows")
    parser.add_argument("--megabytes", type=int, default=8, help="of output")
    options = parser.parse_args()
    data = output(options.megabytes * 1_000_000)
    variables = {f"S{number}_TOKEN": secrets.token_urlsafe(30) for number in range(options.secrets)}
    started = time.perf_counter()
    redact = Redactor((variables,))
    lines = LineRedactor(redact, MAX_LINE_BYTES)
    lines.feed("the first line makes what the others need")
    made = time.perf_counter() - started
    copying = max(throughput(data, str) for _ in range(3))
    redacting = max(throughput(data, lines.feed) for _ in range(3))
    sys.stdout.write(
        f"copying    {copying:7.1f} MB/s\n"
        f"redacting  {redacting:7.1f} MB/s with {options.secrets} secrets, {copying / redacting:.1f} times as long\n"
        f"a redactor of them is made in {made * 1000:.1f} ms, once for each attempt\n"
    )


if __name__ == "__main__":
    main()
