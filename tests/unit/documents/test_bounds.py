"""Hostile files meet a limit, whatever they multiply; the limits are counts, so nothing here is measured in seconds."""

from __future__ import annotations

import pytest

from poltergust.base.reasons import Reason
from poltergust.documents import MAX_BYTES, DocumentError, parse_environment_file, parse_task_file
from poltergust.documents.expand import load
from poltergust.documents.mistakes import Mistakes
from poltergust.documents.yaml_text import MAX_DEPTH, MAX_NODES, Mapping, read

HEAD = "environment: e\ntask:\n  name: A\n  module: m\n"


def refusal(text: str) -> tuple[Reason, str]:
    with pytest.raises(DocumentError) as caught:
        parse_task_file(text.encode(), "f")
    return caught.value.reason, caught.value.message


def levels(count: int, width: int, leaf: str) -> str:
    """Anchors a0 to a<count>, each a list of `width` aliases of the one before."""
    lines = [f"x-0: &a0 {leaf}"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, count + 1)]
    return "\n".join(lines) + "\n"


MULTIPLY = 'the aliases ("*…") multiply the file beyond 20,000 values or 262,144 characters'


def test_a_billion_laughs() -> None:
    assert refusal(f"{levels(9, 10, 'lol')}{HEAD}  x: *a9\n") == (Reason.TOO_LARGE, MULTIPLY)


def test_a_billion_of_nothing() -> None:
    assert refusal(f"{levels(9, 10, '[]')}{HEAD}  x: *a9\n") == (Reason.TOO_LARGE, MULTIPLY)


def test_a_bomb_that_nobody_uses_harms_nobody() -> None:
    assert parse_task_file(f"{levels(9, 10, 'lol')}{HEAD}".encode(), "f").name == "A"


def test_few_nodes_with_much_text() -> None:
    long = "x" * 100_000
    assert refusal(f"x-a: &a {long}\n{HEAD}  x: [*a, *a, *a]\n") == (Reason.TOO_LARGE, MULTIPLY)
    assert parse_task_file(f"x-a: &a {long}\n{HEAD}  x: [*a, *a]\n".encode(), "f").arguments[0].json


def test_merges_are_counted_too() -> None:
    lines = ["x-0: &m0 {a: b, c: d, e: f}"]
    lines += [f"x-{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    assert refusal("\n".join(lines) + f"\n{HEAD}variables: *m8\n") == (Reason.TOO_LARGE, MULTIPLY)


def test_nesting_by_aliases() -> None:
    lines = ["x-0: &n0 x"] + [f"x-{n}: &n{n} [*n{n - 1}]" for n in range(1, 60)]
    reason, message = refusal("\n".join(lines) + f"\n{HEAD}  x: *n59\n")
    assert (reason, message) == (Reason.TOO_LARGE, "more than 32 lists and mappings within one another")


@pytest.mark.parametrize("opening", ["[", "{", "{a: ", "[{a: ", "- ", "? "])
def test_nesting_deeper_than_pythons_own_stack(opening: str) -> None:
    text = opening * (MAX_BYTES // len(opening))
    assert refusal(text) == (Reason.TOO_LARGE, "more than 32 lists and mappings within one another")


def test_the_deepest_nesting_that_is_taken() -> None:
    within = MAX_DEPTH - 2  # the file itself and `task`
    (argument,) = parse_task_file(f"{HEAD}  x: {'[' * within}{']' * within}\n".encode(), "f").arguments
    assert argument.text == "[" * within + "]" * within
    assert refusal(f"{HEAD}  x: {'[' * (within + 1)}{']' * (within + 1)}\n")[0] is Reason.TOO_LARGE


def test_fifty_thousand_keys_in_a_file_of_the_right_size() -> None:
    text = "".join(f"{n:x}:\n" for n in range(43_000))
    assert len(text) < MAX_BYTES
    reason, message = refusal(text)
    assert (reason, message) == (Reason.TOO_LARGE, "more than 20,000 keys and values; keep data in files of its own")


def test_a_hundred_thousand_keys() -> None:
    reason, message = refusal("".join(f"k{n}: 1\n" for n in range(100_000)))
    assert reason is Reason.TOO_LARGE
    assert message == "the file has more than 262,144 bytes; keep data in files of its own"


def test_the_most_keys_that_are_taken() -> None:
    spec = parse_environment_file("".join(["variables:\n", *(f"  A{n}: x\n" for n in range(9_990))]).encode(), "e")
    assert len(spec.variables) == 9_990
    root = read(b"a: 1\nb: 2\n", "f", Mistakes())
    assert isinstance(root, Mapping)
    assert len(root.flat) == 4  # what the limit counts: keys and values, and the mapping
    assert MAX_NODES == 20_000


def test_the_largest_file() -> None:
    filler = MAX_BYTES - len(HEAD)
    assert parse_task_file((HEAD + "#" * filler).encode(), "f").name == "A"
    assert refusal(HEAD + "#" * (filler + 1))[0] is Reason.TOO_LARGE


def test_a_variable_that_linux_would_not_start_a_process_with() -> None:
    longest = 131_072 - len("A=") - 1
    text = f"{HEAD}variables:\n  A: {'x' * longest}"
    assert len(parse_task_file(text.encode(), "f").variables["A"]) == longest
    assert refusal(text + "x") == (
        Reason.TOO_LARGE,
        "variables.A: 131,072 bytes with its name; Linux takes 131,071 in one variable, use a file",
    )


def test_a_long_key_is_shortened_in_the_message() -> None:
    long = "k" * 900
    reason, message = refusal(f"{HEAD}  {long}: {{a: 1, a: 2}}\n")
    assert reason is Reason.DUPLICATE_KEY
    assert message == f'task.{"k" * 34}…: "a" stands twice, first on line 5; keep one'


def test_aliases_cannot_make_a_circle() -> None:
    for text in ("a: &x [*x]", "a: &x {b: [*x]}", "&x a: [&y {c: *y}]"):
        with pytest.raises(DocumentError, match="of something that it stands in itself"):
            load(text.encode(), "f", Mistakes())
