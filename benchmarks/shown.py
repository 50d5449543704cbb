"""A table that is shown in the terminal or in a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

Row = tuple[str, ...]
"""Cells, as many as the table has columns."""


@dataclass(frozen=True)
class Shown:
    """A table.

    Attributes:
        title: above it.
        header: of its columns.
        rows: below it.
    """

    title: str
    header: Row
    rows: Sequence[Row]

    def table(self) -> Table:
        """For the terminal."""
        from rich.table import Table  # a machine with a GPU may have none

        table = Table(*self.header, title=self.title)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """As a table of a document."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        return f"**{self.title}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in lines)
