"""The part of a document that a result fills, so that no number of it is copied by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emogene.contract.errors import BadInput


def read_result(path: Path, *needed: str) -> dict[str, Any]:
    """A benchmark's JSON.

    Args:
        needed: what it must hold.

    Raises:
        BadInput: it is none, or another benchmark's.
    """
    try:
        result = json.loads(path.read_bytes())
        found = ", ".join(list(result)[:8]) if isinstance(result, dict) else type(result).__name__
        if isinstance(result, dict) and set(needed) <= set(result):
            return result
    except ValueError as error:
        found = f"no JSON: {error}"
    raise BadInput(
        str(path),
        expected=f"a result with {', '.join(needed)}",
        found=found or "nothing",
        remedy="name the file that the benchmark wrote by --output",
    )


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
