"""Secrets and terminal codes: what a pipeline prints, raises or takes as a parameter does not show them."""

from __future__ import annotations

import base64
import html
import json
import logging
import textwrap
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poltergust.base.agent_log import about, configure
from poltergust.base.progress import TaskFailure, task_name
from poltergust.base.reasons import Reason
from poltergust.base.redaction import MASK, LineRedactor, Redactor
from poltergust.base.secret_forms import SecretNames
from poltergust.base.text import plain
from poltergust.documents import named_values, parse_environment_file, parse_task_file
from poltergust.luigi_run import Report
from poltergust.path.background import Background
from poltergust.path.outcome import Config
from poltergust.path.records import RunRecord
from poltergust.path.run_log import RunLog
from poltergust.path.tasks import TaskLog
from poltergust.processes.lines import MAX_LINE_BYTES, LineSplitter
from poltergust.runs.attempt import redacted
from poltergust.runs.run import Run, Verdict
from poltergust.stores.folder import FolderStore
from tests.security.fuzz import fuzzed

SECRET = "s3cr3t/With+odd=chars and 'quotes'"


def shown(secret: str) -> dict[str, str]:
    """How programs show it."""
    data = secret.encode()
    return {
        "raw": secret,
        "repr": repr({"token": secret}),
        "json": json.dumps({"token": secret}),
        "percent": quote(secret, safe=""),
        "percent, lower case": quote(secret, safe="").replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d"),
        "form": quote_plus(secret),
        "hex": data.hex(),
        "HEX": data.hex().upper(),
        "base64": base64.b64encode(data).decode(),
        "base64, one byte before": base64.b64encode(b"u" + data).decode(),
        "base64, two bytes before": base64.b64encode(b"u:" + data + b"\n").decode(),
        "base64 for URLs": base64.urlsafe_b64encode(data).decode(),
        "Basic": "Authorization: Basic " + base64.b64encode(b"somebody:" + data).decode(),
        "colour inside": secret[:9] + "\x1b[1m" + secret[9:],
        "title inside": secret[:9] + "\x1b]0;title\x07" + secret[9:],
        "task id": f"Load_{''.join(c if c.isalnum() else '_' for c in secret[:16])}_0123456789",
    }


@pytest.mark.parametrize("form", shown(SECRET))
def test_a_secret_is_found_in_each_form(form: str) -> None:
    text = Redactor([{"DB_PASSWORD": SECRET}])(f"before {shown(SECRET)[form]} after")
    assert MASK in text
    for length in range(len(SECRET) - 8):
        piece = SECRET[length : length + 8]
        assert not any(
            look in text for look in (piece, piece.encode().hex(), base64.b64encode(piece.encode()).decode())
        )
    assert text.startswith("before ")
    assert text.endswith(" after")


@pytest.mark.parametrize(
    "secret", ["it's-a-secret-9x", 'caf\u00e9-"secret"-123', "back\\slash's-secret", "a<b>&c'd-secret"]
)
def test_a_secret_with_quotes_is_found_however_a_longer_text_is_quoted(secret: str) -> None:
    """Python chooses the quotes by the whole text, and each of the others doubles or escapes what it must."""
    redact = Redactor([{"DB_PASSWORD": secret}])
    both = f"""refused: {secret} '"'"""
    quoted = [repr(both), repr([both]), repr(both.encode()), repr(secret.encode()), ascii(both), ascii(secret)]
    quoted += [json.dumps({"a": both}, ensure_ascii=False), json.dumps({"a": both}), html.escape(both)]
    quoted += ["DB_PASSWORD: '" + secret.replace("'", "''") + "'"]  # YAML, SQL
    for text in quoted:
        assert MASK in redact(text), text
        assert "secret" not in redact(text), text


SECRET_NAMES = """
    DB_PASS MYSQL_PWD GITHUB_PAT REGISTRY_AUTH SENTRY_DSN MAPSAPIKEY SLACK_WEBHOOK_URL SSH_PASSPHRASE GH_TOKEN_READONLY
    db-password some_api_key
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_these_names_hold_secrets_too(name: str) -> None:
    assert name in SecretNames()


@pytest.mark.parametrize("name", ["SSH_AUTH_SOCK", "GOOGLE_APPLICATION_CREDENTIALS", "PASSENGERS", "AUTHOR", "COMPASS"])
def test_these_do_not(name: str) -> None:
    assert name not in SecretNames()


def test_names_of_ones_own() -> None:
    names = SecretNames.of({"POLTERGUST_REDACT_VARIABLES": "*_GEHEIM kunde"})
    redact = Redactor([{"X_GEHEIM": "vertraulich", "KUNDE": "mustermann", "OTHER": "readable"}], names=names)
    assert redact("vertraulich mustermann readable") == f"{MASK} {MASK} readable"


@pytest.mark.parametrize(
    "url", ["https://{}@host/x", "https://{}:@host/x", "https://{}:x-oauth-basic@host", "//u:{}@h"]
)
def test_a_token_in_a_url_is_a_secret_also_apart_from_it(url: str) -> None:
    token = "ghp_0123456789abcdef"
    redact = Redactor([{"REMOTE": url.format(token).replace("//u", "git://u")}])
    assert redact(f"the token {token} was refused") == f"the token {MASK} was refused"


def test_what_arguments_and_configuration_hold_by_such_a_name_is_secret() -> None:
    task = parse_task_file(
        textwrap.dedent("""\
            environment: e.yaml
            task:
              name: Load
              module: m
              db-password: of-the-argument
              targets: {api_key: of-the-mapping, url: "https://user:of-the-url@host"}
              table: readable
            luigi-config:
              redshift:
                aws_secret_access_key: of-the-configuration
            """).encode(),
        "x.config.yaml",
    )
    spec = parse_environment_file(b"dependencies: []\nvariables: {INDEX_TOKEN: of-the-environment}\n", "e.yaml")
    redact = Redactor((*named_values(task), *named_values(spec)))
    for place in ("argument", "mapping", "url", "configuration", "environment"):
        assert redact(f"of-the-{place} readable") == f"{MASK} readable"


# one stream


@pytest.mark.parametrize("before", range(MAX_LINE_BYTES - len(SECRET) - 8, MAX_LINE_BYTES + 8))
def test_a_secret_at_the_edge_of_a_piece_is_found(before: int) -> None:
    splitter, lines = LineSplitter(), LineRedactor(Redactor([{"DB_PASSWORD": SECRET}]), MAX_LINE_BYTES)
    pieces = splitter.feed(b"x" * before + SECRET.encode() + b" end\n", 0.0)
    text = "".join([*(lines.feed(piece) for piece in pieces), lines.end()])
    assert text == "x" * before + MASK + " end"


@given(st.data())
@fuzzed
def test_wherever_a_line_is_cut_the_secret_is_found(data: st.DataObject) -> None:
    secret = data.draw(st.text("abcXYZ/+=%é ", min_size=6, max_size=40).filter(lambda text: text == text.strip()))
    before = data.draw(st.integers(0, 400))
    splitter, lines = LineSplitter(limit=128), LineRedactor(Redactor([{"A_TOKEN": secret}]), 128)
    pieces = splitter.feed(b"#" * before + secret.encode() + b"#" * 10 + b"\n", 0.0)
    text = "".join([*(lines.feed(piece) for piece in pieces), lines.end()])
    assert text == "#" * before + MASK + "#" * 10


@pytest.mark.parametrize("width", [64, 76])
def test_a_key_that_is_wrapped_is_masked_line_by_line(width: int) -> None:
    key = "".join(chr(ord("!") + (index * 7919) % 90) for index in range(400))
    lines = LineRedactor(Redactor([{"SIGNING_PRIVATE_KEY": key}]), MAX_LINE_BYTES)
    wrapped = textwrap.wrap(base64.b64encode(key.encode()).decode(), width)
    assert [lines.feed(line) for line in ("key:", *wrapped[:-1])] == ["key:", *[MASK] * (len(wrapped) - 1)]


def test_a_secret_that_goes_on_on_the_next_line_is_masked_there() -> None:
    lines = LineRedactor(Redactor([{"A_TOKEN": "abcdefghijklmnop"}]), MAX_LINE_BYTES)
    assert [lines.feed("it is abcd"), lines.feed("efghijklmnop, he said")] == ["it is abcd", f"{MASK}, he said"]


def test_the_run_log_holds_no_secret_that_came_in_pieces(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "p.poltergust")
    url = f"{tmp_path}/p.poltergust/logs/x/1/n.log"
    splitter = LineSplitter()
    background, redact = Background(), Redactor([{"DB_PASSWORD": SECRET}])
    with RunLog(store, url, redact=redact, background=background, limit=10**7) as log:
        for line in splitter.feed(b"y" * (MAX_LINE_BYTES - 10) + SECRET.encode() + b"\nlast\n", 0.0):
            log.line(line)
            log.note("a note between")
    assert background.flush(60)
    text = Path(url).read_text()
    assert SECRET[:10] not in text
    assert SECRET[10:] not in text
    assert text.endswith("last\n" + text.splitlines()[-1] + "\n")


# what people see


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u2066", "\u061c", "\u00ad", "\U000e0041"]
)
def test_what_cannot_be_seen_is_shown_escaped(hidden: str) -> None:
    assert plain(f"a{hidden}b") == f"a{ascii(hidden)[1:-1]}b"


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_an_exception_cannot_forge_a_line_of_the_log(line_end: str, capsys: pytest.CaptureFixture[str]) -> None:
    forged = "2026-01-01T00:00:00Z INFO    everything is fine"
    root, own = logging.getLogger(), logging.getLogger("poltergust")
    before = root.handlers[:], root.level, own.level
    try:
        configure("text", "node-1", Redactor(()))
        with about(name=f"x{line_end}{forged}"):
            try:
                raise ValueError(f"no{line_end}{forged}")
            except ValueError as error:
                own.exception("failed: %s", error)
    finally:
        root.handlers[:], root.level = before[0], before[1]
        own.setLevel(before[2])
    first, *trace = capsys.readouterr().err.splitlines()
    assert "failed: no" in first
    assert trace
    assert not [line for line in trace if not line.startswith("    ")]


def test_a_parameter_that_is_a_secret_is_in_no_record(tmp_path: Path) -> None:
    """Luigi's task ids and families show parameters; the scheduler is asked with the id, which stays in memory."""
    redact = Redactor([{"db-password": "hunter22"}])
    task_id = "Load_2026_01_01_hunter22_0123456789"
    run = Run(Config("x", "1", b""), RunRecord("x", "1", "n"), began=0.0, redact=redact)
    failure = TaskFailure(task_id, "Load", "refused: hunter22")
    run.record_progress(Report(Reason.TASK_FAILED, "hunter22", root_task_id=task_id, failures=(failure,)))
    verdict = redacted(Verdict(Reason.TASK_FAILED, "hunter22", failures=(failure,)), redact)
    assert run.root_task_id == task_id
    assert "hunter22" not in f"{run.record} {verdict}"
    assert run.record.root_task_id == f"Load_2026_01_01_{MASK}_0123456789"


def test_a_parameter_with_a_secrets_name_is_masked_in_a_tasks_name() -> None:
    assert (
        task_name("Load", {"date": "2026-01-01", "db_password": "x9"}) == f"Load(date=2026-01-01, db_password={MASK})"
    )
    assert MASK in Redactor([{"A_TOKEN": SECRET}])(task_name("Load", {"note": "see " + SECRET}))


def test_a_name_of_ones_own_hides_a_parameter_that_no_file_holds(tmp_path: Path) -> None:
    """What a task hands to those that it requires: only its name says that it is secret."""
    store, background = FolderStore(tmp_path / "p.poltergust"), Background()
    redact = Redactor((), names=SecretNames(["kunde*"]))
    url = f"{tmp_path}/p.poltergust/runs/x/1/n.tasks.jsonl"
    with TaskLog(store, url, redact=redact, background=background, limit=10**6) as log:
        parameters = {"kunde_name": "mustermann", "db_password": "hunter22", "date": "2026-01-01"}
        log.events([{"event": "announced", "task": "Load_1", "family": "Load", "params": parameters}])
    assert background.flush(60)
    text = Path(url).read_text()
    assert "mustermann" not in text
    assert "hunter22" not in text
    assert "2026-01-01" in text


def test_colours_stay_in_a_line_without_secrets_and_go_where_they_hide_one() -> None:
    lines = LineRedactor(Redactor([{"A_TOKEN": "abcdefghijklmnop"}]), MAX_LINE_BYTES, colours=True)
    assert lines.feed("\x1b[32mgreen\x1b[0m") == "\x1b[32mgreen\x1b[0m"
    assert lines.feed("\x1b[32mabcdefgh\x1b[0mijklmnop") == MASK
