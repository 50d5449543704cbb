"""Cubins compiled before, kept by everything that decides their bytes.

One file an entry: the SHA-256 of the rest, canonical JSON (what the cubin is), a zero byte, the
cubin. It appears by one rename; a damaged one is compiled anew. The folder is kept below `LIMIT`
bytes by removing what was used longest ago; ``emogene-export cache clear`` empties it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ...contract.cache_folder import cache_folder
from ...contract.codec import canonical, from_plain, to_plain
from ...contract.cubins import KernelResources
from . import nvrtc
from .nvrtc import Cubin
from .sources import Unit

LIMIT = 256 << 20
"""Bytes that all cubins may take."""

_REVISION = 1
"""Raised when the same parts come to be compiled otherwise."""

_SUFFIX = ".cubin"
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class CubinEntry:
    """What stands before a kept cubin.

    Attributes:
        unit: name of its source.
        architecture: it was compiled for.
        options: it was compiled with.
        nvrtc: version of the compiler.
        kernels: what each takes.
        size: of the cubin, bytes.
    """

    unit: str
    architecture: str
    options: tuple[str, ...]
    nvrtc: str
    kernels: tuple[KernelResources, ...]
    size: int


class CubinCache:
    """A folder of cubins. Several processes may use it at once; it never fails a run.

    Args:
        folder: None is ``kernels`` in the package's cache folder.
        limit: bytes it may take.
    """

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder, self._limit = folder or cache_folder() / "kernels", limit

    def obtain(self, unit: Unit, architecture: str, options: tuple[str, ...] = ()) -> Cubin:
        """The cubin of these parts, compiled where no whole one is kept.

        Raises:
            MissingExtra, Unavailable, Failure: as `nvrtc.compile_cubin`.
        """
        path = self.folder / (_key(unit, architecture, options) + _SUFFIX)
        if kept := _read(path):
            entry, image = kept
            with contextlib.suppress(OSError):
                os.utime(path)
            return Cubin(image, entry.architecture, entry.kernels)
        made = nvrtc.compile_cubin(unit, architecture, options)
        entry = CubinEntry(
            unit.name, architecture, options, nvrtc.version(), made.kernels, len(made.image)
        )
        self._keep(path, canonical(to_plain(entry)) + b"\0" + made.image)
        return made

    def entries(self) -> tuple[tuple[str, CubinEntry], ...]:
        """Key and description of everything whole in it, by source and architecture."""
        found = [(path.stem, read[0]) for path in self._files() if (read := _read(path))]
        return tuple(sorted(found, key=lambda f: (f[1].unit, f[1].architecture, f[0])))

    def clear(self) -> tuple[int, int]:
        """Remove everything; gives the number of cubins and of bytes that went."""
        files = self._files()
        size = sum(_size(path) for path in files)
        for path in files:
            path.unlink(missing_ok=True)
        return len(files), size

    def _keep(self, path: Path, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".cubin.", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(data).digest() + data)
                os.replace(name, path)
            except BaseException:  # an interrupt, too, leaves nothing half behind
                os.unlink(name)
                raise
            self._prune()

    def _prune(self) -> None:
        files = [(path.stat().st_mtime_ns, _size(path), path) for path in self._files()]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files)[:-1]:
            if total <= self._limit:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _files(self) -> list[Path]:
        return list(self.folder.glob("*" + _SUFFIX))


def _key(unit: Unit, architecture: str, options: tuple[str, ...]) -> str:
    parts = {
        "source": unit.sha256,
        "architecture": architecture,
        "options": [*nvrtc.STANDARD_OPTIONS, *options],
        "nvrtc": nvrtc.version(),
        "revision": _REVISION,
    }
    return hashlib.sha256(canonical(parts)).hexdigest()


def _read(path: Path) -> tuple[CubinEntry, bytes] | None:
    """An entry and its cubin; None if there is none, or a damaged one."""
    with contextlib.suppress(OSError, ValueError):
        found = path.read_bytes()
        digest, data = found[:_DIGEST], found[_DIGEST:]
        if hashlib.sha256(data).digest() == digest:
            header, _, image = data.partition(b"\0")
            return from_plain(CubinEntry, json.loads(header)), image
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
