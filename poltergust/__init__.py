"""Poltergust: drop one file in a bucket, and every worker machine runs the Luigi pipeline it names."""

import sys

__version__ = "0.2.0"

if "luigi" in sys.modules:  # `luigi RunTasks --module poltergust …` looks for the task here; see polling.py
    from poltergust.node.polling import RunTasks as RunTasks
