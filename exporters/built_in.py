"""The checkpoints that come with the package, for whoever names none of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from ..contract.errors import Unavailable


@contextmanager
def checkpoints_folder(given: Path | None) -> Iterator[Path]:
    """The given folder, or the built-in avatar's.

    Raises:
        Unavailable: none is given and the package came without any.
    """
    if given is not None:
        yield given
        return
    package = f"{__package__.rpartition('.')[0]}.training"
    built_in = resources.files(package) / "data" / "checkpoints"
    if not built_in.is_dir():
        raise Unavailable(
            "the built-in avatar's checkpoints",
            expected="them in the installed package",
            found="none",
            remedy="name a folder, which `emogene-train demo -o CHECKPOINTS` makes",
        )
    with resources.as_file(built_in) as folder:
        yield folder
