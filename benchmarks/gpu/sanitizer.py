"""The checks once more under NVIDIA's compute-sanitizer, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .worker import Part

SIZE, SECONDS = 16, 75
"""Side of the pictures that it watches, pixels, and how long it may take."""


def find_sanitizer() -> str | None:
    """Its path."""
    return shutil.which("compute-sanitizer") or shutil.which(
        "compute-sanitizer", path="/usr/local/cuda/bin"
    )


def sanitize(kind: str, seed: int, folder: Path) -> Iterator[Part]:
    """Run one of its tools; what it found, or why it was not run.

    Args:
        folder: where what was compiled for this seed is kept.
    """
    name, tool = f"compute-sanitizer {kind}", find_sanitizer()
    if tool is None:
        yield {"skipped": [f"{name}: it is not installed"]}
        return
    command = [tool, "--tool", kind, "--error-exitcode", "9", sys.executable]
    command += ["-m", "benchmarks.gpu", "--checks-only", "--here", "--seed", str(seed)]
    command += ["--check-size", str(SIZE), "--keep", str(folder), "--output", ""]
    # Whoever is ended here leaves behind what it watched, which then ends by itself.
    command += ["--seconds", str(2 * SECONDS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        yield {"skipped": [f"{name}: took longer than {SECONDS} s"]}
        return
    lines = (done.stdout + done.stderr).strip().splitlines()
    said = next((x for x in lines if "SUMMARY" in x), lines[-1] if lines else "")
    found = said.strip("= ")
    yield {"checks": [{"name": name, "passed": done.returncode == 0, "found": found}]}
