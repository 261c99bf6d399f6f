"""Every reason a run can end or pause for, and the row of the outcome table it stands in.

This is the vocabulary between all rooms: errors carry a `Reason`, run records store its code, `docs/outcomes.md`
explains each one. A code, once released, keeps its meaning; new ones are added.
"""

from __future__ import annotations

from enum import Enum


class Row(Enum):
    """The rows of the outcome table: what a node does about what it found."""

    DONE = "done"  # the root task is complete: rename to .done.yaml
    WRONG = "wrong"  # the files are wrong: rename to .error.yaml at once
    STUCK = "stuck"  # the pipeline cannot go on, for anybody: rename to .error.yaml
    NODE = "node"  # this node cannot: counted attempts, then "gave up"
    WAITING = "waiting"  # nothing to do here now: look again later, no process kept
    PASSING = "passing"  # a failure that passes by itself: try again with growing delays
    STOPPED = "stopped"  # the run no longer counts: config gone, newer generation, an outcome stands, drain


class Reason(Enum):
    """A stable code (``reason.code``) and its row (``reason.row``)."""

    # done
    COMPLETE = ("complete", Row.DONE)
    EXECUTED_ROOT = ("executed-root", Row.DONE)
    # the files are wrong: syntax and shape
    INVALID_YAML = ("invalid-yaml", Row.WRONG)
    NOT_TEXT = ("not-text", Row.WRONG)
    TOO_LARGE = ("too-large", Row.WRONG)
    MULTIPLE_DOCUMENTS = ("multiple-documents", Row.WRONG)
    UNKNOWN_KEY = ("unknown-key", Row.WRONG)
    DUPLICATE_KEY = ("duplicate-key", Row.WRONG)
    MISSING_KEY = ("missing-key", Row.WRONG)
    WRONG_TYPE = ("wrong-type", Row.WRONG)
    INVALID_VALUE = ("invalid-value", Row.WRONG)
    REFUSED_ARGUMENT = ("refused-argument", Row.WRONG)
    NAME_INVALID = ("name-invalid", Row.WRONG)
    NAME_TOO_LONG = ("name-too-long", Row.WRONG)
    # the files are wrong: what they name
    ENVIRONMENT_MISSING = ("environment-missing", Row.WRONG)
    ENVIRONMENT_NOT_ALLOWED = ("environment-not-allowed", Row.WRONG)
    UNKNOWN_VIRTUALENV_OPTION = ("unknown-virtualenv-option", Row.WRONG)
    DEPENDENCY_INVALID = ("dependency-invalid", Row.WRONG)
    PACKAGE_NOT_FOUND = ("package-not-found", Row.WRONG)
    RESOLUTION_IMPOSSIBLE = ("resolution-impossible", Row.WRONG)
    UNKNOWN_MODULE = ("unknown-module", Row.WRONG)
    UNKNOWN_TASK = ("unknown-task", Row.WRONG)
    UNKNOWN_PARAMETER = ("unknown-parameter", Row.WRONG)
    MISSING_PARAMETER = ("missing-parameter", Row.WRONG)
    INVALID_PARAMETER = ("invalid-parameter", Row.WRONG)
    # the pipeline cannot go on
    TASK_FAILED = ("task-failed", Row.STUCK)
    TASK_DISABLED = ("task-disabled", Row.STUCK)
    TIMEOUT = ("timeout", Row.STUCK)
    GAVE_UP = ("gave-up", Row.STUCK)
    # this node cannot
    INSTALL_FAILED = ("install-failed", Row.NODE)
    INTERPRETER_MISSING = ("interpreter-missing", Row.NODE)
    VARIABLE_MISSING = ("variable-missing", Row.NODE)
    ENVIRONMENT_DENIED = ("environment-denied", Row.NODE)
    IMPORT_ERROR = ("import-error", Row.NODE)
    SCHEDULING_FAILED = ("scheduling-failed", Row.NODE)
    DISK_FULL = ("disk-full", Row.NODE)
    OUT_OF_MEMORY = ("out-of-memory", Row.NODE)
    START_FAILED = ("start-failed", Row.NODE)
    CHILD_DIED = ("child-died", Row.NODE)
    AGENT_DIED = ("agent-died", Row.NODE)
    INTERNAL_ERROR = ("internal-error", Row.NODE)
    # waiting
    OTHERS_RUN = ("others-run", Row.WAITING)
    DATA_MISSING = ("data-missing", Row.WAITING)
    # a failure that passes
    SCHEDULER_UNREACHABLE = ("scheduler-unreachable", Row.PASSING)
    STORAGE_UNAVAILABLE = ("storage-unavailable", Row.PASSING)
    STORAGE_DENIED = ("storage-denied", Row.PASSING)
    REGISTRY_UNREACHABLE = ("registry-unreachable", Row.PASSING)
    ENVIRONMENT_AWAITED = ("environment-awaited", Row.PASSING)
    TASK_RETRY = ("task-retry", Row.PASSING)
    RENAME_REFUSED = ("rename-refused", Row.PASSING)
    # the run no longer counts
    CONFIG_GONE = ("config-gone", Row.STOPPED)
    NEWER_GENERATION = ("newer-generation", Row.STOPPED)
    OUTCOME_STANDS = ("outcome-stands", Row.STOPPED)
    DRAINED = ("drained", Row.STOPPED)

    def __init__(self, code: str, row: Row) -> None:
        self.code = code
        self.row = row
