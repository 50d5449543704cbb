"""A named piece of shared memory that one living writer owns.

The owner holds ``flock(LOCK_EX)`` on it as long as it lives, however it dies. So a name whose lock
is free was left behind, and whoever comes next may replace it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import re
import time
from pathlib import Path

from ...contract.errors import BadOutput
from ..output_checks import cannot_write
from .layout import MAGIC

SCHEME = "shm://"

FOLDER = Path("/dev/shm")
"""Where Linux shows POSIX shared memory."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,249}")

_TRIES, _PAUSE = 10, 0.01
"""Seconds between tries: a reader that asks whether the writer lives holds the lock a moment."""


def path_of(name: str) -> Path:
    """The file behind a ring's name.

    Raises:
        BadOutput: it is no name.
    """
    if not _NAME.fullmatch(name):
        raise BadOutput(
            SCHEME + name,
            expected="a name of letters, digits, '.', '_' and '-', without folders",
            found=repr(name),
            remedy="such as shm://head",
        )
    return FOLDER / name


class Segment:
    """Shared memory of ``size`` bytes, all 0, that becomes visible with `publish`.

    Attributes:
        memory: it.

    Raises:
        BadOutput: no name, or there is no room for it.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name, self._path = SCHEME + name, path_of(name)
        try:
            # Without a name until it is whole: whoever is killed before leaves nothing.
            self._file = os.open(FOLDER, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise cannot_write(self._name, error) from None
        try:
            # Reserved now: memory that runs out later would end the process with SIGBUS.
            os.posix_fallocate(self._file, 0, size)
            self.memory = mmap.mmap(self._file, size)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            os.close(self._file)
            raise cannot_write(self._name, error) from None

    def publish(self) -> None:
        """Let it appear under its name, in place of one that a dead writer left.

        Raises:
            BadOutput: a living writer has the name, or it belongs to something else.
        """
        anywhere = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
        try:
            for _ in range(_TRIES):
                # Only with a folder's descriptor does Python follow the link in /proc.
                try:
                    os.link(f"/proc/self/fd/{self._file}", self._path, src_dir_fd=anywhere)
                    return
                except FileExistsError:
                    self._remove_what_was_left()
                except OSError as error:
                    raise cannot_write(self._name, error) from None
        finally:
            os.close(anywhere)
        raise self._taken("another writer, again and again")

    def close(self) -> None:
        """Remove the name, if it is still this segment's, and let go of the memory."""
        with contextlib.suppress(OSError):
            if os.stat(self._path).st_ino == os.fstat(self._file).st_ino:
                os.unlink(self._path)
        # Something may still point into the memory, such as an error's traceback. It is unmapped
        # with the last of that, but the lock must not wait.
        fcntl.flock(self._file, fcntl.LOCK_UN)
        os.close(self._file)
        with contextlib.suppress(BufferError):
            self.memory.close()

    def _remove_what_was_left(self) -> None:
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        except OSError as error:
            raise cannot_write(self._name, error) from None
        try:
            if os.pread(file, len(MAGIC), 0) != MAGIC:
                raise self._taken("something that is no ring")
            if not _locked(file):
                raise self._taken("another writer at work")
            # Under its lock, so that no one else removes a newer one in between.
            if os.stat(self._path).st_ino == os.fstat(file).st_ino:
                os.unlink(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise cannot_write(self._name, error) from None
        finally:
            os.close(file)

    def _taken(self, found: str) -> BadOutput:
        return BadOutput(
            self._name, expected="a free name", found=found, remedy="choose another, or end it"
        )


def _locked(file: int) -> bool:
    """Whether the lock could be had; it goes with the descriptor."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
                raise
            time.sleep(_PAUSE)
    return False
