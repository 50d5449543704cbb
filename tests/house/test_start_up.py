"""Starting is cheap because heavy modules come with first use. Times stand in the benchmarks."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"torch", "transformers", "librosa", "onnxruntime", "onnx", "numba", "scipy", "av", "soxr"}


def imported_by(*arguments: str) -> set[str]:
    """Top-level modules that a Python process with ``arguments`` imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not imported_by("-c", "import emogene") & (HEAVY | {"numpy"})


def test_help_loads_nothing_heavy() -> None:
    for part in ("runtime", "exporters", "training", "evaluation"):
        run_help = "import sys; sys.argv = ['emogene', '--help']; main()"
        program = f"from emogene.{part}.commands import main; {run_help}"
        loaded = imported_by("-c", program)
        assert "typer" in loaded and not loaded & HEAVY, loaded & HEAVY
