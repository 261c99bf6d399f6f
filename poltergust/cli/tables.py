"""What all screens' tables have in common. Pure."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

NARROW_COLUMNS = 70  # columns below which the least important ones go
TINY_COLUMNS = 45


def cut_line(text: str) -> Text:
    """One line, its end left out where there is no room. A column of these must not be `no_wrap`: rich takes what is
    missing from those that may wrap first, and from all alike where none may."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def plain_table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=False)
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table


def number_column(table: Table, header: str) -> None:
    table.add_column(header, justify="right", no_wrap=True)


def fold_column(table: Table, column: int, width: int) -> None:
    """That column takes at most a third of the terminal, on several lines where it has to: the others must be read."""
    table.columns[column].no_wrap, table.columns[column].overflow = False, "fold"
    table.columns[column].max_width = max(12, width // 3)
