"""A result's tables: ``python -m benchmarks.gpu.report RESULT.json docs/performance.md``.

Rewrites the page's block between its two marks, so that no number of the page is copied by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emogene.contract.errors import BadInput

from ..page import fill, read_result
from ..shown import Shown

BEGIN, END = "<!-- measured on a GPU: begin -->", "<!-- measured on a GPU: end -->"


def told(result: Mapping[str, Any]) -> str:
    """Where it was measured, and its tables."""
    machine, gpu = result["machine"], result["gpu"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = (
        f"{gpu['name']} ({gpu['architecture']}, {gpu['multiprocessors']} multiprocessors), driver "
        f"{gpu['driver']}, NVRTC {gpu['nvrtc']}; {versions}; commit {machine['commit']}."
    )
    return "\n\n".join([where, *(table.markdown() for table in tables(result))])


def tables(result: Mapping[str, Any]) -> list[Shown]:
    """Everything a result tells, in order."""
    peaks = [_peaks(result)] if "peaks" in result else []
    frames = [_frames(result)] if result["frames"] else []
    return [*peaks, *frames, _checks(result)]


def _peaks(result: Mapping[str, Any]) -> Shown:
    peaks = result["peaks"]
    header = ("memory GB/s", "10⁹ random loads/s", "fp32 TFLOP/s", "fp16 tensor TFLOP/s")
    row = (
        f"{peaks['memory_gbs']:.0f}",
        f"{peaks['gloads']:.0f}",
        f"{peaks['fp32_gflops'] / 1e3:.1f}",
        f"{peaks['fp16_gflops'] / 1e3:.0f}",
    )
    return Shown("What the GPU can do at most", header, [row])


def _frames(result: Mapping[str, Any]) -> Shown:
    header = (
        *("field", "size", "renderer", "ms", "p95", "samples", "operations ms", "reached"),
        *("bytes ms", "reached", "loads ms", "reached"),
        *("against PyTorch", "PSNR dB", "streams at 25 FPS"),
    )
    rows = []
    for frame in result["frames"]:
        least, reference = frame.get("floors_ms", {}), frame.get("reference_ms")
        floors = [least.get(name) for name in ("operations", "bytes", "loads")]
        rows.append(
            (
                frame["scene"],
                f"{frame['size']}²",
                frame["renderer"],
                f"{frame['ms']:.3f}",
                f"{frame['p95']:.3f}",
                f"{frame['samples']:,}" if "samples" in frame else "",
                *(cell for floor in floors for cell in _reached(floor, frame["ms"])),
                f"{reference / frame['ms']:.0f}×" if reference else "",
                f"{frame['psnr']:.1f}" if "psnr" in frame else "",
                str(frame["streams"]) if "streams" in frame else "",
            )
        )
    return Shown("Frames by CUDA events, graphs replayed", header, rows)


def _reached(floor: float | None, taken: float) -> tuple[str, str]:
    """A floor, and what share of the time taken it is."""
    return (f"{floor:.3f}", f"{floor / taken:.0%}") if floor else ("", "")


def _checks(result: Mapping[str, Any]) -> Shown:
    rows = [(c["name"], "✓" if c["passed"] else "✗", c["found"]) for c in result["checks"]]
    return Shown("Kernels against the reference", ("what", "right", "found"), rows)


def main() -> None:
    """Entry point. Like the measuring itself it stands on no library of commands."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.report", description=__doc__)
    parser.add_argument("result", type=Path, metavar="RESULT", help="JSON of benchmarks.gpu")
    parser.add_argument("page", type=Path, metavar="PAGE", help="page to rewrite")
    options = parser.parse_args()
    try:
        fill(
            options.page, BEGIN, END, told(read_result(options.result, "seed", "checks", "frames"))
        )
    except (BadInput, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
