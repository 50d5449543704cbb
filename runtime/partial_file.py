"""Output that appears under its name only when it is whole."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import weakref
from pathlib import Path

from .output_checks import cannot_write


class PartialOutput:
    """A file, or with ``folder`` a directory, under a temporary name beside its destination.

    `keep` moves it to the destination in one step; `discard` removes it, as does the collection of
    the object or the end of the program. Both do nothing when called again.

    Attributes:
        path: the temporary file or directory, which exists.
        destination: where it will appear.

    Raises:
        BadOutput: the destination is a directory (or, for a folder, anything that is not an empty
            one), or its parent is missing or may not be written.
    """

    def __init__(self, destination: str | os.PathLike[str], *, folder: bool = False) -> None:
        self.destination = Path(destination)
        self.path = self.destination.with_name(
            f".{self.destination.name}.{secrets.token_hex(4)}.part"
        )
        name = str(self.destination)
        try:
            if folder:
                self._refuse_taken_folder()
                self.path.mkdir()
            else:
                if self.destination.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                # The caller's umask decides on the permissions, as for any file.
                open(self.path, "xb").close()
        except OSError as error:
            raise cannot_write(name, error) from None
        self._remove = weakref.finalize(self, _remove, self.path)

    def _refuse_taken_folder(self) -> None:
        if self.destination.exists() and any(self.destination.iterdir()):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    def keep(self) -> None:
        """Let the output appear under its name; it replaces a file of that name."""
        if not self._remove.alive:
            return
        try:
            os.replace(self.path, self.destination)
        except OSError as error:
            self.discard()
            raise cannot_write(str(self.destination), error) from None
        self._remove.detach()

    def discard(self) -> None:
        """Remove what was written."""
        self._remove()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
