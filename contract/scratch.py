"""Hidden folders that something is being written into, and those that a killed process left."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without them: what a killed process leaves stays
    fcntl = None  # type: ignore[assignment]

_BEGINNING = 60.0
"""Seconds in which a folder may not have its lock yet."""


@contextlib.contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """An empty folder beside ``target``, named after it; it is gone afterwards unless it was moved.

    It is locked as long as it is written. Folders of the same kind without a lock are what killed
    processes left, and are removed first.

    Raises:
        OSError: it cannot be made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    lock = _lock(folder)
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_leftovers(target: Path) -> None:
    # As `tempfile.mkdtemp` names them; a moved-away folder has another suffix and is the user's.
    made_here = re.compile(re.escape(f".{target.name}.") + "[a-z0-9_]{8}")
    for path in target.parent.iterdir():
        if not made_here.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            continue
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_ctime < _BEGINNING:
                continue
            if (lock := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock until it is closed; None if there is no getting
    it."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
