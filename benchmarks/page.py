"""The part of a document that a result fills, so that no number of it is copied by hand."""

from __future__ import annotations

from pathlib import Path

from emogene.contract.errors import BadInput


def fill(page: Path, begin: str, end: str, text: str) -> None:
    """Put ``text`` between the page's two marks, which stay.

    Raises:
        BadInput: the page has no such marks, one after the other.
    """
    before, opened, rest = page.read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise BadInput(
            str(page),
            expected=f"{begin} and {end}, one after the other",
            found="not both",
            remedy="write them where the tables belong",
        )
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
