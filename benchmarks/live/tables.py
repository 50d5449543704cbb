"""Tables of what ``python -m benchmarks.live`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..shown import Row, Shown

Result = Mapping[str, Any]


def live_tables(result: Result) -> list[Shown]:
    """Everything a result tells, in order."""
    return [_windows(result), _pictures(result), _answers(result)]


def _windows(result: Result) -> Shown:
    rows = [
        tuple(
            f"**{cell}**" if row["chosen"] else cell
            for cell in (
                f"{row['left']}",
                f"{row['hop']}",
                f"{row['lookahead']}",
                f"{row['overlap']}",
                f"{row['waits_ms']:.0f}",
                f"{row['lookahead_ms']:.0f}",
                f"{row['drift_px']:.3f}",
                f"{row['mouth_px']:.3f}",
                f"{row['settled_px']:.3f}",
                f"{row['p95_px']:.3f}",
                f"{row['core_ms']:.2f}",
            )
        )
        for row in result["windows"]
    ]
    header: Row = ("left", "hop", "look-ahead", "overlap", "waits ms", "of that look-ahead")
    header += ("drift px", "mouth px", "after 1 s", "p95 of frames", "core-ms a frame")
    seconds = result["seconds"]
    return Shown(f"Windows in frames, over {seconds:.0f} s of unheard voices", header, rows)


def _pictures(result: Result) -> Shown:
    rows = [
        (
            row["emotion"],
            f"{row['size']}²",
            f"{row['frames']}",
            f"{row['psnr']:.1f}",
            f"{row['psnr_p5']:.1f}",
            f"{row['psnr_least']:.1f}",
            "the same" if row["idle"] else "not the same",
        )
        for row in result["pictures"]
    ]
    header = ("emotion", "size", "frames", "PSNR dB", "5th percentile", "least", "idle frames")
    return Shown("Pictures of live against offline", header, rows)


def _answers(result: Result) -> Shown:
    first, cut = result["first_frames"], result["interruption"]
    rows = []
    for name, key in (("a session just opened", "opened"), ("a word after a pause", "onsets")):
        time = first[key]
        beyond = [f"{time[k] - first['lookahead_ms']:.0f}" for k in ("median", "p95")]
        rows.append(
            (
                f"first frame of {name}, ms",
                f"{time['median']:.0f}",
                f"{time['p95']:.0f}",
                f"beyond the look-ahead of {first['lookahead_ms']:.0f}: {' and '.join(beyond)}",
                f"{time['runs']}",
            )
        )
    for name, key in (("seen", "seen"), ("over: the mouth rests", "rest")):
        if cut[key] is not None:
            middle, p95, most = (f"{value:g}" for value in cut[key])
            place = f"{cut['open']}"
            rows.append((f"interruption {name}, frames", middle, p95, f"at most {most}", place))
    silent = f"{cut['silent']}"
    rows.append(
        ("interrupted sound gone, frames", silent, silent, f"at most {silent}", f"{cut['places']}")
    )
    header = ("from the first pushed sample, or the call", "p50", "p95", "", "times")
    return Shown(f"How soon it answers, {result['threads']} threads", header, rows)
