"""What TensorRT-RTX compiled for this GPU, kept between runs in the user's cache folder.

One file for every engine, GPU, driver and library version: another of any of them starts afresh.
Losing the cache costs time, never correctness, so nothing here fails a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from ...contract.engines import EngineSpec
from .driver import Driver

CACHE_VARIABLE = "EMOGENE_CACHE"
"""Names another folder for everything the package caches."""


def cache_folder() -> Path:
    """``$EMOGENE_CACHE/jit``, else ``emogene/jit`` in the user's cache folder."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named) / "jit"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "emogene" / "jit"


class JitCacheFile:
    """The file of one engine.

    Args:
        engine: whose compiled kernels it keeps.
        sha256: of the engine's file.
        driver: with the GPU they were compiled for.
        version: of TensorRT-RTX.
    """

    def __init__(self, engine: EngineSpec, sha256: str, driver: Driver, version: str) -> None:
        gpu = driver.gpus[0]
        decides = "\n".join((sha256, gpu.name, gpu.architecture, driver.label, version))
        key = hashlib.sha256(decides.encode()).hexdigest()[:32]
        self.path = cache_folder() / f"{engine.stage}-{gpu.architecture}-{key}.bin"
        self._kept = b""

    def read(self) -> bytes:
        """What was kept; empty if nothing was."""
        try:
            self._kept = self.path.read_bytes()
        except OSError:
            self._kept = b""
        return self._kept

    def write(self, data: bytes) -> None:
        """Keep ``data`` in place of what `read` gave, by one rename."""
        if not data or data == self._kept:
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".jit.", dir=self.path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(name, self.path)
            except OSError:
                os.unlink(name)
                raise
            self._kept = data
