"""``python -m benchmarks.gpu [-o RESULT.json]``: prove and measure the CUDA kernels on this GPU.

One command from a source tree, in less than eight minutes, without downloads: it needs numpy,
PyTorch (the reference), a driver library (``cuda-python``), and NVRTC (PyTorch brings it). Where
the compiled kernels are not there, the NumPy reference takes their place. Without a GPU it says so
in one line and ends with exit code 3; with code 1 if a kernel is wrong or did not come back.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emogene.runtime.backends.driver import find_driver
from emogene.runtime.render.gpu_path import find_gpu_path

NO_GPU, WRONG = 3, 1
"""Exit codes."""

OUTPUT = "gpu.json"
"""Where the result goes if nothing else is said."""


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument(
        "-o", "--output", default=OUTPUT, help="the result as JSON, written after every step"
    )
    parser.add_argument("--checks-only", action="store_true", help="prove, measure nothing")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024], metavar="N")
    parser.add_argument("--seconds", type=float, default=420.0, help="to spend at most")
    parser.add_argument("--seed", type=int, default=None, help="of random inputs (default: fresh)")
    parser.add_argument(
        "--check-size", type=int, default=72, metavar="N", help="of proved pictures"
    )
    parser.add_argument("--here", action="store_true", help="in one process, for a debugger")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what is compiled there")
    options = parser.parse_args(arguments)
    path = find_gpu_path(find_driver())
    if not path.works:
        print(f"no GPU to measure: {path.found} — {path.remedy}", file=sys.stderr)
        return NO_GPU
    print(path.found, flush=True)
    from .run import measure, right
    from .steps import Options

    chosen = Options(
        tuple(options.sizes),
        options.seconds,
        options.checks_only,
        options.seed,
        options.check_size,
        not options.here,
        options.keep,
    )
    result = measure(chosen, Path(options.output) if options.output else None)
    return 0 if right(result) else WRONG


if __name__ == "__main__":
    sys.exit(main())
