"""How much memory this process may still take."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
LIMIT = Path("/sys/fs/cgroup/memory.max")
USED = Path("/sys/fs/cgroup/memory.current")


def available_memory() -> int | None:
    """Bytes that can be had without swapping, a container's limit included; None if unknown."""
    free = []
    with contextlib.suppress(OSError):
        found = re.search(r"^MemAvailable:\s+(\d+) kB", MEMINFO.read_text("ascii"), re.MULTILINE)
        if found:
            free.append(int(found.group(1)) * 1024)
    with contextlib.suppress(OSError, ValueError):  # there is no such limit, or it is "max"
        free.append(int(LIMIT.read_text("ascii")) - int(USED.read_text("ascii")))
    return min(free, default=None)
