"""What a measurement was made on, and the most that machine can do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from emogene.kernels import instructions, peak

PACKAGES = ("emogene", "numpy", "onnxruntime", "torch", "av")

TABLE_BYTES = 1 << 18
"""Size of the table whose random loads are timed: the largest level of the demo avatar's grids."""

NEAR_BYTES = 1 << 14
"""Size of the table that is gathered from: it stays in the first cache."""


@dataclass(frozen=True)
class Peaks:
    """What some threads can do at most, all together.

    Attributes:
        threads: how many.
        gflops: 10⁹ floating-point operations a second of each instruction set there is, a
            multiply-add being two; of ``avx512bf16`` and ``amx`` with bfloat16 products.
        gloads: 10⁹ loads a second of eight bytes at random places of a table of `TABLE_BYTES`.
        gathers: the same of a table of `NEAR_BYTES` that the first cache holds, by the quickest way
            of each instruction set: one by one, or by an instruction that loads from many places.
        gwidenings: 10⁹ numbers a second widened from half precision; 0 where there is no
            instruction for it.
        memory_gbs: 10⁹ bytes a second read and written by copying.
    """

    threads: int
    gflops: dict[str, float]
    gloads: float
    gathers: dict[str, float]
    gwidenings: dict[str, float]
    memory_gbs: float


def measure_peaks(threads: int, seconds: float = 0.25) -> Peaks:
    """Measure for about ``seconds`` each."""
    near = peak.loads_a_second(NEAR_BYTES, threads, seconds)
    return Peaks(
        threads,
        {
            name: 2e-9 * peak.multiply_adds_a_second(name, threads, seconds)
            for name in instructions.available()
        },
        1e-9 * peak.loads_a_second(TABLE_BYTES, threads, seconds),
        {
            name: 1e-9 * max(near, peak.gathers_a_second(name, NEAR_BYTES, threads, seconds))
            for name in instructions.available()
        },
        {
            name: 1e-9 * peak.widenings_a_second(name, threads, seconds)
            for name in instructions.available()
        },
        1e-9 * peak.copied_bytes_a_second(threads),
    )


def describe() -> dict[str, object]:
    """Processor, cores, versions and commit, as plain JSON values."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "commit": _commit(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    folder = Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:  # git is not installed
        return "unknown"
    return done.stdout.strip() or "unknown"
