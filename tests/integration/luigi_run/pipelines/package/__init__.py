"""Modules that are there and break."""
