"""Habits of Luigi and its users that a shared run must not have: all variables of a process shown in an exception, a
failure that is lost because what should tell of it failed as well, and a second run that begins while the pipeline's
module is imported."""

# mypy: allow-untyped-calls
import contextlib
import functools
import logging
import sys
import traceback
from typing import Any, Callable, Iterator, List

from .ending import Ended


def hide_environment() -> None:
    """`ExternalProgramTask` puts the variables it gave its program into the text of its exception, passwords too."""
    try:
        from luigi.contrib.external_program import ExternalProgramRunError
    except ImportError:
        return
    error_class: Any = ExternalProgramRunError
    shown = error_class.__str__

    def text(self: Any) -> str:
        variables, self.env = self.env, None
        try:
            return str(shown(self)).replace("ENVIRONMENT: [empty]", "ENVIRONMENT: (not shown)")
        finally:
            self.env = variables

    error_class.__str__ = text


def keep_failures() -> None:
    """A task's own `on_failure` may raise (a chat that does not answer), and so may Luigi's mail to its `owner_email`
    (by a service that refuses; Luigi sends none from a terminal). Luigi would end the whole run with that and report no
    failure of the task, or one of which nothing is known."""
    import luigi.notifications
    from luigi.worker import TaskProcess

    mail: Any = luigi.notifications
    send = mail.send_error_email

    @functools.wraps(send)
    def send_error_email(*args: Any, **kwargs: Any) -> None:
        try:
            send(*args, **kwargs)
        except Exception:
            logging.getLogger("luigi-interface").exception("a mail about a failure could not be sent")

    mail.send_error_email = send_error_email
    process: Any = TaskProcess
    original = getattr(process, "_handle_run_exception", None)
    if original is None:
        return  # Luigi 2.8.0 and older call on_failure amidst their own work

    @functools.wraps(original)
    def handle(self: Any, error: BaseException) -> Any:
        try:
            return original(self, error)
        except Exception:
            logging.getLogger("luigi-interface").exception("on_failure of %s failed", self.task)
            return "Runtime error:\n" + "".join(traceback.format_exception(type(error), error, error.__traceback__))

    process._handle_run_exception = handle


@contextlib.contextmanager
def no_run_while_importing() -> Iterator[None]:
    """`luigi.run()` at the top of a module would parse our command line and end the process, or run everything twice.
    What a module took by ``from luigi import build`` works again once it is imported."""
    import luigi.interface

    importing: List[bool] = [True]

    def guarded(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            if importing:
                caller = sys._getframe(1)
                text = '{}:{} calls luigi.{}() while it is imported; write it below: if __name__ == "__main__":'
                raise Ended("import-error", text.format(caller.f_code.co_filename, caller.f_lineno, name))
            return original(*args, **kwargs)

        return call

    kept = [(place, name, getattr(place, name)) for place in (luigi, luigi.interface) for name in ("run", "build")]
    for place, name, original in kept:
        setattr(place, name, guarded(name, original))
    try:
        yield
    finally:
        importing.clear()
        for place, name, original in kept:
            setattr(place, name, original)
