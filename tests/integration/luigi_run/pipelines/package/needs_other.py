"""Needs a library that nobody installed."""

# mypy: ignore-errors
import no_such_library

assert no_such_library
