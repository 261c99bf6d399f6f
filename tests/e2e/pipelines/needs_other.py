"""Needs a library that no environment has."""

import library_of_nobody  # noqa: F401
