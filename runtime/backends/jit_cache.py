"""What TensorRT-RTX compiled for this GPU, kept between runs in the user's cache folder.

One file for every engine, GPU, driver and library version: another of any of them starts afresh.
Losing the cache costs time, never correctness, so nothing here fails a run. The file begins with
the SHA-256 of the rest: the library, which trusts what it is given, never sees a damaged one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile

from ...contract.cache_folder import cache_folder
from ...contract.engines import EngineSpec
from .driver import Driver

_DIGEST = hashlib.sha256().digest_size


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
        self.path = cache_folder() / "jit" / f"{engine.stage}-{gpu.architecture}-{key}.bin"
        self._kept = b""

    def read(self) -> bytes:
        """What was kept; empty if nothing was, or if it was damaged since."""
        self._kept = b""
        with contextlib.suppress(OSError):
            found = self.path.read_bytes()
            digest, data = found[:_DIGEST], found[_DIGEST:]
            if hashlib.sha256(data).digest() == digest:
                self._kept = data
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
                    file.write(hashlib.sha256(data).digest() + data)
                os.replace(name, self.path)
            except BaseException:  # an interrupt, too, leaves nothing half behind
                os.unlink(name)
                raise
            self._kept = data
