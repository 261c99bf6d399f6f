"""Another process of the same machine: makes an environment ready, says so in one line of JSON, holds it until its
stdin ends. `python -m tests.integration.environments.racer ROOT LINE…`"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from poltergust.environments import Dependency, EnvironmentSpec
from poltergust.environments.cache import EnvironmentCache
from poltergust.processes.child import spawn


def main() -> None:
    root, *lines = sys.argv[1:]
    cache = EnvironmentCache(Path(root), spawn)
    spec = EnvironmentSpec(f"{root}.yaml", {}, tuple(Dependency(line) for line in lines), {})
    with cache.ready(spec, node_env=os.environ, on_line=lambda line: None, cancelled=lambda: False) as environment:
        said = {"key": environment.key, "built": environment.built, "lock": environment.lock}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
