"""Two habits of Luigi and its users that a shared run must not have: all variables of a process shown in an exception,
and a second run that begins while the pipeline's module is imported."""

# mypy: allow-untyped-calls
import contextlib
import functools
import sys
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
