"""``python -m benchmarks.gpu [-o RESULT.json]``: prove and measure the CUDA kernels on this GPU.

One command from a source tree, in less than eight minutes, without downloads: it needs numpy,
PyTorch (the reference), a driver library (``cuda-python``), and NVRTC. Where the compiled kernels
are not there, the NumPy reference takes their place. Without a GPU it says so in one line and ends
with exit code 3; with code 1 if a kernel is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from emogene.contract.errors import EmoGeneError
from emogene.runtime.backends.driver import find_driver
from emogene.runtime.render.gpu_path import find_gpu_path

NO_GPU, WRONG = 3, 1
"""Exit codes."""

BUDGET = 420.0
"""Seconds after which what is left is skipped and said to be."""


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="write the result as JSON")
    parser.add_argument("--checks-only", action="store_true", help="prove, measure nothing")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024], metavar="N")
    parser.add_argument("--seconds", type=float, default=BUDGET, help="to spend at most")
    parser.add_argument("--seed", type=int, default=None, help="of random inputs (default: fresh)")
    parser.add_argument("--check-size", type=int, metavar="N", help="side of proved pictures")
    options = parser.parse_args(arguments)
    path = find_gpu_path(find_driver())
    if not path.works:
        print(f"no GPU to measure: {path.found} — {path.remedy}", file=sys.stderr)
        return NO_GPU
    from .run import Options, measure

    try:
        result = measure(
            Options(
                tuple(options.sizes),
                options.seconds,
                options.checks_only,
                options.seed,
                options.check_size,
            )
        )
    except EmoGeneError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0 if all(check["passed"] for check in result["checks"]) else WRONG


if __name__ == "__main__":
    sys.exit(main())
