"""Tables on a terminal, and wide enough in a pipe or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def print_table(table: Table) -> None:
    """Print it; a pipe or a log has no width, and rich would take 80 columns and fold or cut every line."""
    from rich.console import Console

    console = Console(emoji=False)
    (console if console.is_terminal else Console(width=200, emoji=False)).print(table)
