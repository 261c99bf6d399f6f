"""Poltergust: drop one file in a bucket, and every worker machine runs the Luigi pipeline it names."""

__version__ = "0.1.0"
