"""What a compiled kernel takes of a GPU, read from the log of ``--ptxas-options=-v``.

NVRTC prints that log into the program's log, under the names the linker sees.
"""

from __future__ import annotations

import re

from ...contract.cubins import KernelResources

_ENTRY = re.compile(r"Compiling entry function '([^']+)' for '(sm_\w+)'")
_MEMORY = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+)(?:\+\d+)? bytes smem")


def parse_resources(log: str) -> tuple[KernelResources, ...]:
    """Every kernel of a log, by name. Lines of functions that are not kernels are passed over."""
    found = []
    parts = re.split(r"(?=Compiling entry function)", log)
    for part in parts:
        entry, memory, used = _ENTRY.search(part), _MEMORY.search(part), _REGISTERS.search(part)
        if entry and memory and used:
            shared = _SHARED.search(part[used.start() :])
            stack, stores, loads = map(int, memory.groups())
            static = int(shared[1]) if shared else 0
            name, registers = entry[1], int(used[1])
            found.append(KernelResources(name, registers, stack, static, stores, loads))
    return tuple(sorted(found, key=lambda kernel: kernel.name))
