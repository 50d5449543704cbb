"""``python -m benchmarks.speech_precision e/``: what a HuBERT in 8 bits saves, and what it costs.

The directory must hold both (``emogene-export build-engines … --int8-hubert``). Times both on ONNX
Runtime in turns, then lets the avatar say the packaged sample with either, and prints a Markdown
table: milliseconds for each length, and how far landmarks move on the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from emogene.contract.stages import HUBERT
from emogene.exporters.precision.end_to_end import EndToEnd, compare_end_to_end
from emogene.runtime.avatar import available_threads
from emogene.runtime.backends.providers import CPU
from emogene.runtime.loading import load_engine_directory

from .command import plain, write
from .machine import describe
from .recorded import RECORDED, speech
from .timing import Timing, in_turns

LENGTHS = (1.0, 5.0, 20.0)
"""Seconds of speech that go through it at once; offline it is given 20 at most."""

FRAMES_APART = 10
"""Of every so many frames the pictures are compared, too."""


@dataclass(frozen=True)
class SpeechRow:
    """HuBERT on so many ``seconds`` of speech, in both precisions."""

    seconds: float
    fp32: Timing
    int8: Timing


def measure(folder: Path, threads: int, budget: float) -> tuple[list[SpeechRow], EndToEnd]:
    """Times for about ``budget`` seconds, and what is seen of the difference."""
    fp32 = load_engine_directory(folder, threads, CPU)
    int8 = load_engine_directory(folder, threads, CPU, precisions={HUBERT: "int8"})
    rows = []
    for seconds in LENGTHS:
        given = {fp32.runners[HUBERT].inputs[0].name: speech(seconds)[None]}
        times = in_turns(
            {
                name: partial(loaded.runners[HUBERT].run, given)
                for name, loaded in (("fp32", fp32), ("int8", int8))
            },
            budget / len(LENGTHS),
        )
        rows.append(SpeechRow(seconds, times["fp32"], times["int8"]))
    said = speech(RECORDED)
    seen = compare_end_to_end(fp32, int8, said, threads=threads, every=FRAMES_APART)
    fp32.close()
    int8.close()
    return rows, seen


def markdown(rows: Sequence[SpeechRow], seen: EndToEnd) -> str:
    """The table that docs/performance.md shows."""
    lines = ["| speech at once | fp32 ms | int8 ms | ratio |", "|---|--:|--:|--:|"]
    lines += [
        f"| {r.seconds:g} s | {r.fp32.median:.1f} | {r.int8.median:.1f} "
        f"| {r.fp32.median / r.int8.median:.2f}× |"
        for r in rows
    ]
    moved = f"{seen.landmark_px_mean:.2f} px on average and {seen.landmark_px_max:.2f} px at most"
    agree = f"{seen.psnr_db_mean:.1f} dB, the worst to {seen.psnr_db_min:.1f} dB"
    said = f"{seen.frames} frames at {seen.size}²: landmarks move by {moved}; pictures agree to"
    lines += ["", f"{said} {agree}."]
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speech_precision")
    parser.add_argument("engine_dir", type=Path)
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--budget", type=float, default=15.0, help="seconds of timing")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    asked = parser.parse_args()
    rows, seen = measure(asked.engine_dir, asked.threads, asked.budget)
    if asked.output is not None:
        told = {"machine": describe(), "threads": asked.threads}
        write({**told, "seen": asdict(seen), "rows": plain(rows)}, asked.output)
    print(markdown(rows, seen))


if __name__ == "__main__":
    main()
