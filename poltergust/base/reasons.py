"""Every reason a run can end or pause for, and the row of the outcome table it stands in.

This is the vocabulary between all rooms: errors carry a `Reason`, run records store its code, `docs/outcomes.md`
explains each one. A code, once released, keeps its meaning; new ones are added.
"""

from __future__ import annotations

from enum import Enum


class ReasonKind(Enum):
    """The rows of the outcome table: what a node does about what it found."""

    DONE = "done"  # the root task is complete: rename to .done.yaml
    INVALID = "invalid"  # the files are wrong: rename to .error.yaml at once
    FAILED = "failed"  # the pipeline cannot go on, for anybody: rename to .error.yaml
    NODE = "node"  # this node cannot: counted attempts, then "gave up"
    WAITING = "waiting"  # nothing to do here now: look again later, no process kept
    TRANSIENT = "transient"  # a failure that passes by itself: try again with growing delays
    SUPERSEDED = "superseded"  # the run no longer counts: config gone, newer generation, an outcome stands, drain


class Reason(Enum):
    """A stable code (``reason.code``) and its kind (``reason.kind``)."""

    # done
    COMPLETE = ("complete", ReasonKind.DONE)
    EXECUTED_ROOT = ("executed-root", ReasonKind.DONE)
    # the files are wrong: syntax and shape
    INVALID_YAML = ("invalid-yaml", ReasonKind.INVALID)
    NOT_TEXT = ("not-text", ReasonKind.INVALID)
    TOO_LARGE = ("too-large", ReasonKind.INVALID)
    MULTIPLE_DOCUMENTS = ("multiple-documents", ReasonKind.INVALID)
    UNKNOWN_KEY = ("unknown-key", ReasonKind.INVALID)
    DUPLICATE_KEY = ("duplicate-key", ReasonKind.INVALID)
    MISSING_KEY = ("missing-key", ReasonKind.INVALID)
    WRONG_TYPE = ("wrong-type", ReasonKind.INVALID)
    INVALID_VALUE = ("invalid-value", ReasonKind.INVALID)
    REFUSED_ARGUMENT = ("refused-argument", ReasonKind.INVALID)
    NAME_INVALID = ("name-invalid", ReasonKind.INVALID)
    NAME_TOO_LONG = ("name-too-long", ReasonKind.INVALID)
    # the files are wrong: what they name
    ENVIRONMENT_MISSING = ("environment-missing", ReasonKind.INVALID)
    ENVIRONMENT_NOT_ALLOWED = ("environment-not-allowed", ReasonKind.INVALID)
    UNKNOWN_VIRTUALENV_OPTION = ("unknown-virtualenv-option", ReasonKind.INVALID)
    DEPENDENCY_INVALID = ("dependency-invalid", ReasonKind.INVALID)
    PACKAGE_NOT_FOUND = ("package-not-found", ReasonKind.INVALID)
    CODE_MISSING = ("code-missing", ReasonKind.INVALID)
    CODE_INVALID = ("code-invalid", ReasonKind.INVALID)
    RESOLUTION_IMPOSSIBLE = ("resolution-impossible", ReasonKind.INVALID)
    UNKNOWN_MODULE = ("unknown-module", ReasonKind.INVALID)
    UNKNOWN_TASK = ("unknown-task", ReasonKind.INVALID)
    UNKNOWN_PARAMETER = ("unknown-parameter", ReasonKind.INVALID)
    MISSING_PARAMETER = ("missing-parameter", ReasonKind.INVALID)
    INVALID_PARAMETER = ("invalid-parameter", ReasonKind.INVALID)
    CIRCULAR_REQUIREMENT = ("circular-requirement", ReasonKind.INVALID)
    OUTPUT_MISSING = ("output-missing", ReasonKind.INVALID)
    # the pipeline cannot go on
    TASK_FAILED = ("task-failed", ReasonKind.FAILED)
    TASK_DISABLED = ("task-disabled", ReasonKind.FAILED)
    TIMEOUT = ("timeout", ReasonKind.FAILED)
    GAVE_UP = ("gave-up", ReasonKind.FAILED)
    # this node cannot
    INSTALL_FAILED = ("install-failed", ReasonKind.NODE)
    INTERPRETER_MISSING = ("interpreter-missing", ReasonKind.NODE)
    VARIABLE_MISSING = ("variable-missing", ReasonKind.NODE)
    ENVIRONMENT_DENIED = ("environment-denied", ReasonKind.NODE)
    IMPORT_ERROR = ("import-error", ReasonKind.NODE)
    NEWER_FILE = ("newer-file", ReasonKind.NODE)
    SCHEDULING_FAILED = ("scheduling-failed", ReasonKind.NODE)
    DISK_FULL = ("disk-full", ReasonKind.NODE)
    OUT_OF_MEMORY = ("out-of-memory", ReasonKind.NODE)
    START_FAILED = ("start-failed", ReasonKind.NODE)
    CHILD_DIED = ("child-died", ReasonKind.NODE)
    AGENT_DIED = ("agent-died", ReasonKind.NODE)
    INTERNAL_ERROR = ("internal-error", ReasonKind.NODE)
    # waiting
    OTHERS_RUN = ("others-run", ReasonKind.WAITING)
    DATA_MISSING = ("data-missing", ReasonKind.WAITING)
    NO_MATCHING_NODE = ("no-matching-node", ReasonKind.WAITING)
    # a failure that passes
    SCHEDULER_UNREACHABLE = ("scheduler-unreachable", ReasonKind.TRANSIENT)
    STORAGE_UNAVAILABLE = ("storage-unavailable", ReasonKind.TRANSIENT)
    STORAGE_DENIED = ("storage-denied", ReasonKind.TRANSIENT)
    REGISTRY_UNREACHABLE = ("registry-unreachable", ReasonKind.TRANSIENT)
    ENVIRONMENT_AWAITED = ("environment-awaited", ReasonKind.TRANSIENT)
    TASK_RETRY = ("task-retry", ReasonKind.TRANSIENT)
    RENAME_REFUSED = ("rename-refused", ReasonKind.TRANSIENT)
    # the run no longer counts
    CONFIG_GONE = ("config-gone", ReasonKind.SUPERSEDED)
    NEWER_GENERATION = ("newer-generation", ReasonKind.SUPERSEDED)
    OUTCOME_STANDS = ("outcome-stands", ReasonKind.SUPERSEDED)
    DRAINED = ("drained", ReasonKind.SUPERSEDED)

    def __init__(self, code: str, kind: ReasonKind) -> None:
        self.code = code
        self.kind = kind
