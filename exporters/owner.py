"""Whose folder it is that something is to be written to."""

from __future__ import annotations

from pathlib import Path

from ..contract.errors import BadOutput


def check_owner(target: Path, there: str, name: str, *, kind: str, force: bool) -> None:
    """Refuse to replace another avatar, which may have been trained for days.

    Args:
        target: the folder.
        there: name of the avatar in it.
        name: of the avatar that is to be written.
        kind: what the folder should be of that avatar, "checkpoints" or "a directory".
        force: replace it nevertheless.

    Raises:
        BadOutput: they are two, and ``force`` is not set.
    """
    if there != name and not force:
        raise BadOutput(
            str(target),
            expected=f"a new folder, or {kind} of the avatar {name!r}",
            found=f"the avatar {there!r}",
            remedy="choose another folder, or replace it with --force",
        )
