"""What does a benchmark's steps in another process, well and badly."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu.worker import Part

from emogene.contract.errors import Failure


class Clumsy:
    """Actions that end in every way."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "closed"

    def do(self, action: str, *arguments: object) -> Iterator[Part]:
        yield {"checks": [{"name": f"{action} began", "passed": True, "found": str(os.getpid())}]}
        if action == "hang":
            time.sleep(3600)
        elif action == "crash":
            os.abort()
        elif action == "refuse":
            raise Failure("cuMemAlloc", expected="success", found="CUDA error 700")
        elif action == "stumble":
            raise RuntimeError("out of\nmemory")
        yield {"torch": action}

    def close(self) -> None:
        self._file.write_text("")


def make(folder: Path, seed: int, check_size: int) -> Clumsy:
    return Clumsy(folder.parent)
