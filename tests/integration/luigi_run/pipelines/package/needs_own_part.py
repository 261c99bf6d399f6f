"""Needs a part of its own package that is gone."""

# mypy: ignore-errors
import package.gone

assert package.gone
