"""Reading an engine directory safely, and writing one so that a failure leaves the old one whole.

Hashes prove integrity, not origin: engines are code, so load only directories you trust.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from .cubins import CUBINS
from .errors import BadEngineDirectory, BadOutput
from .manifest import (
    MANIFEST_FILE,
    REBUILD,
    REPORTS_FOLDER,
    WEIGHTS_FILE,
    FileEntry,
    Manifest,
)
from .scratch import scratch_beside

BESIDE_THE_MANIFEST = (
    WEIGHTS_FILE,
    REPORTS_FOLDER,
    "stages",
    "engines",
    CUBINS,
    "LICENSE-NOTES.md",
)
"""What may stand in an engine directory itself; anything else there is somebody's own."""

_BLOCK = 1 << 20


def hash_file(path: Path) -> FileEntry:
    """SHA-256 and size of a file, read in blocks."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileEntry(digest.hexdigest(), size)


def list_files(folder: Path) -> dict[str, FileEntry]:
    """Entries of every file below ``folder`` but the manifest and the reports."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST_FILE and not name.startswith(REPORTS_FOLDER + "/"):
            entries[name] = hash_file(path)
    return entries


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, checked in itself but not against the files.

    Raises:
        BadEngineDirectory: there is no such folder, it has no manifest or one that cannot be
            read, or the manifest is bad.
    """
    path = folder / MANIFEST_FILE
    try:
        if not folder.exists():
            raise BadEngineDirectory(
                str(folder), expected="an engine directory", found="nothing there", remedy=REBUILD
            )
        if not folder.is_dir():
            raise BadEngineDirectory(
                str(folder), expected="an engine directory", found="a file", remedy=REBUILD
            )
        data = path.read_bytes()
    except OSError as error:
        raise BadEngineDirectory(
            str(path),
            expected="the manifest of an engine directory",
            found="an empty folder" if _is_empty(folder) else str(error.strerror),
            remedy=_remedy(error),
        ) from None
    return Manifest.from_bytes(data, str(path))


def file_path(folder: Path, name: str) -> Path:
    """Path of a file the manifest names.

    Raises:
        BadEngineDirectory: the name is absolute or climbs out of the directory, also by a link.
    """
    pure = PurePosixPath(name)
    path = folder / name
    odd = pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name
    if odd or not path.resolve().is_relative_to(folder.resolve()):
        raise BadEngineDirectory(
            str(folder / MANIFEST_FILE),
            expected="paths inside the directory",
            found=name.replace("\0", "\\0"),
            remedy="do not use this directory; " + REBUILD,
        )
    return path


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with the manifest, before anything is deserialised.

    Raises:
        BadEngineDirectory: a file is missing, cannot be read, has another size or another hash.
    """
    for name, entry in manifest.files.items():
        path = file_path(folder, name)
        try:
            if not path.is_file():
                raise BadEngineDirectory(
                    str(path), expected="a file", found="nothing there", remedy=REBUILD
                )
            found = hash_file(path)
        except OSError as error:
            raise BadEngineDirectory(
                str(path),
                expected="a file that can be read",
                found=str(error.strerror),
                remedy=_remedy(error),
            ) from None
        if found.size != entry.size:
            raise BadEngineDirectory(
                str(path),
                expected=f"{entry.size} bytes",
                found=f"{found.size}: it is truncated or was replaced",
                remedy=REBUILD,
            )
        if found.sha256 != entry.sha256:
            raise BadEngineDirectory(
                str(path),
                expected=f"SHA-256 {entry.sha256[:16]}…",
                found=f"{found.sha256[:16]}…: it was changed",
                remedy=REBUILD,
            )


@contextlib.contextmanager
def replace_folder(
    target: Path, mark: str = MANIFEST_FILE, beside: Collection[str] = BESIDE_THE_MANIFEST
) -> Iterator[Path]:
    """Write a whole folder beside ``target`` and put it in its place on success.

    Yields an empty folder to fill. On an exception it is removed and ``target`` is as it was.

    Args:
        mark: file by which a folder written before is known.
        beside: names that such a folder may hold beside ``mark``.

    Raises:
        BadOutput: ``target`` cannot be written, its disk is full, it is a file, or is a folder that
            is not empty and lacks the file ``mark`` or holds other names: then something of
            somebody's is in it.
    """
    target = Path(os.path.abspath(target))
    _refuse_other_files(target, mark, beside)
    with contextlib.ExitStack() as scratch:
        try:
            fresh = scratch.enter_context(scratch_beside(target))
        except OSError as error:
            raise BadOutput(
                str(target),
                expected="a folder that can be written",
                found=str(error.strerror),
                remedy="choose another folder",
            ) from None
        try:
            yield fresh
            _put_in_place(fresh, target)
        except BadOutput as error:
            if not Path(error.thing).is_relative_to(fresh):
                raise
            # A folder within this one, which nobody but we knows by that name.
            raise BadOutput(
                str(target), expected=error.expected, found=error.found, remedy=error.remedy
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # The error itself names what was being copied, which may lie on another disk.
            raise BadOutput(
                str(target),
                expected="room on its disk for a whole new folder",
                found="no space left",
                remedy="free some, or choose a folder on another disk",
            ) from None


def _put_in_place(fresh: Path, target: Path) -> None:
    if target.exists() and _exchange(fresh, target):
        return  # what stood there is the scratch folder now
    old = fresh.with_name(fresh.name + ".old")
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return False


def _remedy(error: OSError) -> str:
    mine = isinstance(error, PermissionError)
    return "make the directory readable to you" if mine else REBUILD


def _refuse_other_files(target: Path, mark: str, beside: Collection[str]) -> None:
    if target.is_dir():
        names = {path.name for path in target.iterdir()}
        others = sorted(names - {mark, *beside}) if mark in names else sorted(names)
    else:
        others = [target.name] if target.exists() else []
    if others:
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        raise BadOutput(
            str(target),
            expected="a new or empty folder, or one written before",
            found=f"other files: {shown}",
            remedy="choose another folder, or move them away",
        )


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, so that a kill leaves one or the other; False if the system
    cannot."""
    try:
        swap = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    done: int = swap(here, os.fsencode(one), here, os.fsencode(other), exchange)
    return done == 0
