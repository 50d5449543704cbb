"""Files that are whole or absent: what a killed training leaves can always be read."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from ..runtime.output_checks import cannot_write


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, sync it, rename it: readers see the old file or the new.

    Raises:
        BadOutput: the disk is full, or nothing can be written there.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_beside(path))
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide the file from other users
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(str(path), error) from None
        raise


def write_json(path: Path, plain: Any) -> None:
    """Write a plain value as JSON, atomically; raises as `write_atomically`."""
    write_atomically(path, (json.dumps(plain, indent=2) + "\n").encode())


def clear_leftovers(path: Path) -> None:
    """Remove what a kill in the middle of `write_atomically` left beside `path`."""
    for leftover in path.parent.glob(f"{_beside(path)}*"):
        leftover.unlink(missing_ok=True)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file under its final name only when it is complete."""
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomically(path, safetensors_bytes(whole, dict(metadata)))


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Append one row to a CSV file, with a header when the file is new.

    Raises:
        BadOutput: the disk is full, or nothing can be written there.
    """
    try:
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
    except OSError as error:
        raise cannot_write(str(path), error) from None


def truncate_rows(path: Path, step: int) -> None:
    """Drop the rows after `step`: they were logged after the checkpoint being resumed.

    Rows that a kill cut short are dropped too.
    """
    if not path.exists():
        return
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    kept = [row for row in rows if len(row) == len(header) and int(row[0]) <= step]
    if not kept:
        path.unlink()
        return
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *kept])
    write_atomically(path, text.getvalue().encode())


def _beside(path: Path) -> str:
    return f".{path.name}."
