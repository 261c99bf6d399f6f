"""Cold, warm and changed builds of an environment, beside the ways one would do it by hand, on the same lines.

    python -m benchmarks.environments [--lines 'pandas' 'matplotlib'] [--rounds 3]

Cold: nothing downloaded yet. Warm: everything downloaded, the environment to be made. Changed: one line more than an
environment that exists. Cached: the environment exists (Poltergust only). Median of the rounds, the ways taking turns
so that the network's mood meets them alike; every ratio is Poltergust's time to the other's. The machine's own
settings of pip and uv are left out, since uv alone would not see the former: all ways fetch from the same place.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import uv

from poltergust.environments import Dependency, EnvironmentSpec
from poltergust.environments.cache import EnvironmentCache
from poltergust.processes.child import spawn

MORE = "humanize"
Way = Callable[[Path, Sequence[str]], None]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lines", nargs="+", default=["pandas", "matplotlib"])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--pip-rounds", type=int, default=1, help="rounds that include the ways with pip (slow)")
    chosen = options.parse_args()
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(chosen.rounds):
        for way, build in WAYS.items():
            if "+ pip" in way and number >= chosen.pip_rounds:
                continue
            for phase, seconds in _measure(build, chosen.lines).items():
                times.setdefault((way, phase), []).append(seconds)
                _say(f"round {number + 1}  {way:<22} {phase:<8} {seconds:8.3f} s")
    _report(times, chosen.lines)


def _measure(build: Way, lines: Sequence[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        root, result = Path(folder), {}
        for phase, wanted in (("cold", lines), ("warm", lines), ("changed", [*lines, MORE])):
            if phase == "warm":
                shutil.rmtree(root / "made" / "environments", ignore_errors=True)
            result[phase] = _time(lambda wanted=wanted: build(root, wanted))  # type: ignore[misc]
        if build is poltergust:
            result["cached"] = _time(lambda: build(root, [*lines, MORE]))
        return result


def poltergust(root: Path, lines: Sequence[str]) -> None:
    cache = _caches.setdefault(root, EnvironmentCache(root / "made", spawn))
    spec = EnvironmentSpec(str(root / "env.yaml"), {}, tuple(Dependency(line) for line in lines), {})
    with cache.ready(spec, node_env=_environment(), on_line=lambda line: None, cancelled=lambda: False):
        pass


def venv_and_pip(root: Path, lines: Sequence[str]) -> None:
    target = _fresh(root)
    _run(root, sys.executable, "-m", "venv", str(target))
    _run(root, str(target / "bin" / "python"), "-m", "pip", "install", "-q", "luigi", *lines)


def virtualenv_and_pip(root: Path, lines: Sequence[str]) -> None:
    target = _fresh(root)
    _run(root, sys.executable, "-m", "virtualenv", "-q", str(target))
    _run(root, str(target / "bin" / "python"), "-m", "pip", "install", "-q", "luigi", *lines)


def uv_alone(root: Path, lines: Sequence[str]) -> None:
    target = _fresh(root)
    _run(root, uv.find_uv_bin(), "venv", "-q", f"--python={sys.executable}", str(target))
    python = f"--python={target / 'bin' / 'python'}"
    _run(root, uv.find_uv_bin(), "pip", "install", "-q", python, "luigi", *lines)


WAYS: dict[str, Way] = {
    "poltergust": poltergust,
    "uv venv + uv pip": uv_alone,
    "virtualenv + pip": virtualenv_and_pip,
    "python -m venv + pip": venv_and_pip,
}
_caches: dict[Path, EnvironmentCache] = {}


def _fresh(root: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=root)) / "env"


def _run(root: Path, *argv: str) -> None:
    env = {**_environment(), "UV_CACHE_DIR": str(root / "uv"), "PIP_CACHE_DIR": str(root / "pip")}
    subprocess.run(argv, check=True, env=env, stdout=subprocess.DEVNULL, timeout=900)


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
    return kept | {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}


def _time(action: Callable[[], None]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _report(times: dict[tuple[str, str], list[float]], lines: Sequence[str]) -> None:
    medians = {key: statistics.median(values) for key, values in times.items()}
    _say(f"\nluigi {' '.join(lines)}: median seconds (Poltergust / that way)")
    _say(f"{'':<22}" + "".join(f"{phase:>18}" for phase in ("cold", "warm", "changed")))
    for way in WAYS:
        cells = []
        for phase in ("cold", "warm", "changed"):
            if (way, phase) not in medians:
                cells.append("-")
                continue
            ratio = medians["poltergust", phase] / medians[way, phase]
            cells.append(f"{medians[way, phase]:8.3f} ({ratio:6.2f}x)")
        _say(f"{way:<22}" + "".join(f"{cell:>18}" for cell in cells))
    _say(f"cached environment ready in {medians['poltergust', 'cached'] * 1000:.1f} ms (target: below 10 ms)")
    cold = medians["poltergust", "cold"] / medians["uv venv + uv pip", "cold"]
    _say(f"cold build against uv alone: {cold:.2f} (target: at most 1.15)")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
