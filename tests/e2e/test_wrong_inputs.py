"""Wrong inputs, all dropped at once on one real agent: each ends as the outcome table says, with its own reason and its
literal message in the run's record, the agent lives on, and a good config beside them is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from poltergust.base.reasons import Reason, ReasonKind
from poltergust.base.redaction import MASK
from poltergust.documents import DocumentError, parse_environment_file, parse_task_file
from tests.e2e.nodes import PIPELINES, Node
from tests.e2e.paths import Folder
from tests.e2e.wrong_inputs import WRONG, Wrong
from tests.emulators.servers import wait_until
from tests.integration.environments import packages
from tests.integration.environments.index_server import Index, serve
from tests.unit.documents.wrong_environment_files import ENVIRONMENT_FILES
from tests.unit.documents.wrong_task_files import TASK_FILES
from tests.unit.documents.wrong_yaml import YAML

TASK = "  module: outcomes\n  name: NoOutput\n  mark: /dev/null\n"
TEXTS: dict[str, tuple[str | bytes, Reason, str]] = {
    **{f"task-file-{number}": row for number, row in enumerate((*TASK_FILES, *YAML))},
    **{f"environment-file-{number}": row for number, row in enumerate(ENVIRONMENT_FILES)},
}
NAMES: dict[str, tuple[Reason, str]] = {
    "tab\there": (
        Reason.NAME_INVALID,
        "{path}/'tab\\there'.config.yaml: the name holds the character U+0009; rename it without",
    ),
    "new\nline": (
        Reason.NAME_INVALID,
        "{path}/'new\\nline'.config.yaml: the name holds the character U+000A; rename it without",
    ),
    "red\x1b[31m": (
        Reason.NAME_INVALID,
        "{path}/'red\\x1b[31m'.config.yaml: the name holds the character U+001B; rename it without",
    ),
    "x" * 243: (
        Reason.NAME_TOO_LONG,
        "{path}/" + "x" * 40 + "…: the name is 3 bytes too long for its outcomes and records; shorten it",
    ),
}

MULTIPLY = 'the aliases ("*…") multiply the file beyond 20,000 values or 262,144 characters'
BOMBS = {
    "a-billion-laughs": (
        "x-0: &a0 lol\n"
        + "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
        + f"environment: e\ntask:\n{TASK}  x: *a9\n",
        f"{{config}}:{{any}}: {MULTIPLY}",
    ),
    "a-hundred-thousand-keys": (
        "".join(f"{n}:\n" for n in range(100_000)),
        "{config}: the file has more than 262,144 bytes; keep data in files of its own",
    ),
    "thirty-thousand-keys": (
        "".join(f"{n}:\n" for n in range(30_000)),
        "{config}:{any}: more than 20,000 keys and values; keep data in files of its own",
    ),
    "a-deep-nest": (
        "x-a: " + "[" * 50_000,
        "{config}:{any}: more than 32 lists and mappings within one another",
    ),
}

# google-auth asks its own folder, gcloud's, and the network of Google's machines.
NO_CREDENTIALS = {"NO_GCE_CHECK": "true", "CLOUDSDK_CONFIG": "/nowhere", "GOOGLE_APPLICATION_CREDENTIALS": ""}
# As from somebody's narrow terminal: uv wraps and colours what it says by these, and messages are made of that.
TERMINAL = {"COLUMNS": "40", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}


@dataclass(frozen=True)
class Stage:
    place: Folder
    node: Node
    index: Index

    def ends(self, name: str) -> tuple[str, str]:
        """Reason and text of its record, once it is an error and nothing else."""
        self.place.until(name, "error", timeout=180)
        record = self.place.until_records(name, "the record to end", state="ended")
        assert (record["outcome"], record["renamed"]) == ("error", True)
        return record["reason"], record["text"]

    def fill(self, name: str, text: str) -> str:
        folder = self.place.url("environment")
        return text.format(
            config=self.place.url(f"pipeline/{name}.config.yaml"),
            environment=f"{folder}/{name}.yaml",
            folder=folder,
            index=self.index.url(),
            pipelines=PIPELINES,
            any="{any}",
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path, scheduler: str) -> Iterator[Stage]:
    place = Folder(tmp_path_factory.mktemp("wrong"))
    place.environment("plain")
    with serve(place.scratch / "index") as index:
        publish(index.folder)
        beside(Path(place.url("environment")))
        options = ["--retries", "0", "--scheduler-url", scheduler, "--parallel", "8"]
        with place.agent("here", shared_cache / "one", *options, **NO_CREDENTIALS, **TERMINAL) as node:
            stage = Stage(place, node, index)
            drop(stage)
            yield stage


def publish(folder: Path) -> None:
    """The packages of the index that environment files name."""
    packages.wheel(folder, "luigi", "3.0")
    for version in ("1.0", "1.1"):
        packages.wheel(folder, "alpha", version)
    packages.wheel(folder, "needs-old-alpha", "1.0", requires=["alpha<1.1"])


def beside(folder: Path) -> None:
    """The files beside the environment files that their lines name."""
    (folder / "circle.txt").write_text("-r circle.txt\n")
    (folder / "wrong.txt").write_text("alpha\nalpha=1.0\n")
    (folder / "noproject").mkdir()
    (folder / "noproject" / "code.py").write_text("")
    (folder / "broken-1.0-py3-none-any.whl").write_bytes(b"not a zip file")
    (folder / "alpha-1.0-cp27-cp27m-win32.whl").write_bytes(packages.wheel(folder / "w", "alpha", "1.0").read_bytes())
    unbuildable = packages.source(folder / "unbuildable", "unbuildable", "1.0")
    (unbuildable / "backend.py").write_text("raise SystemExit(\"error: command 'gcc' failed: No such file\")\n")


def drop(stage: Stage) -> None:
    place = stage.place
    for name in NAMES:
        place.put(name, TASK)
    for name, (text, _, _) in TEXTS.items():
        data = text if isinstance(text, bytes) else text.encode()
        if name.startswith("task-file"):
            place.write(f"pipeline/{name}.config.yaml", data)
        else:
            place.write(f"environment/{name}.yaml", data)
            place.put(name, TASK, environment=f"../environment/{name}.yaml")
    for name, (bomb, _) in BOMBS.items():
        place.write(f"pipeline/{name}.config.yaml", bomb.encode())
    for name, wrong in WRONG.items():
        place.environment(name, stage.fill(name, wrong.environment))
        task = "".join(f"  {line}\n" for line in wrong.task.splitlines())
        place.put(name, task, environment=wrong.reference or f"../environment/{name}.yaml")
    place.put("good", TASK)


def test_there_are_at_least_sixty_and_each_is_wrong_in_its_own_way() -> None:
    assert len(TEXTS) + len(NAMES) + len(WRONG) >= 200
    assert len(WRONG) >= 60
    assert len({(wrong.task, wrong.environment, wrong.reference) for wrong in WRONG.values()}) == len(WRONG)


def test_a_good_config_beside_them_is_done(stage: Stage) -> None:
    stage.place.until("good", "done", timeout=180)


@pytest.mark.parametrize("name", TEXTS)
def test_wrong_text(stage: Stage, name: str) -> None:
    _, reason, message = TEXTS[name]
    kind = "pipeline/{}.config.yaml" if name.startswith("task-file") else "environment/{}.yaml"
    told = message.replace("f.yaml", stage.place.url(kind.format(name)), 1).replace("://***@", f"://{MASK}@")
    more = further_mistakes(name)
    assert stage.ends(name) == (reason.code, f"{told} (and {more} more)" if more else told)


def further_mistakes(name: str) -> int:
    """How many there are in the file beside the one that the reason names; the run log has them all."""
    text = TEXTS[name][0]
    parse = parse_task_file if name.startswith("task-file") else parse_environment_file
    with pytest.raises(DocumentError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return len(caught.value.others)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:12]))
def test_wrong_name(stage: Stage, name: str) -> None:
    reason, message = NAMES[name]
    assert stage.ends(name) == (reason.code, message.format(path=stage.place.path))


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_meets_a_limit(stage: Stage, name: str) -> None:
    reason, text = stage.ends(name)
    assert reason == Reason.TOO_LARGE.code
    assert_says(text, stage.fill(name, BOMBS[name][1]))


@pytest.mark.parametrize("name", WRONG)
def test_what_the_files_name_is_wrong(stage: Stage, name: str) -> None:
    wrong: Wrong = WRONG[name]
    reason, text = stage.ends(name)
    expected = stage.fill(name, wrong.message)
    if wrong.reason.kind is ReasonKind.NODE:
        assert reason == "gave-up"
        expected = f"no node can run it; on here: {wrong.reason.code}: {expected}"
    else:
        assert reason == wrong.reason.code
    assert_says(text, expected)


def assert_says(text: str, expected: str) -> None:
    pattern = ".*".join(re.escape(part) for part in expected.split("{any}"))
    assert re.fullmatch(pattern, text), f"\n{text}\nis not\n{expected}"


def test_the_agent_is_alive_and_well(stage: Stage) -> None:
    wait_until(lambda: not list(Path(stage.place.path).glob("*.config.yaml")), "every config to have its outcome", 180)
    assert stage.node.process.poll() is None
    assert "Traceback" not in stage.node.log
    assert "unexpected; please report this" not in stage.node.log
    assert "\x1b" not in stage.node.log
    assert not [line for line in stage.node.log.splitlines() if not line.startswith("20")], "one line for each message"
