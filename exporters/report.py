"""What was measured of every stage, as a line on the terminal, as JSON and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..contract.codec import canonical
from ..contract.tensors import StageError
from .compare import OutputDifference, within, worst

REPORT_JSON, REPORT_MARKDOWN = "report.json", "report.md"


@dataclass(frozen=True)
class StageReport:
    """One stage at one precision, compared with the reference.

    Attributes:
        stage: its name.
        precision: the type its arithmetic is done in.
        symbol: the varying dimension that `lengths` count.
        tolerance: the largest relative L2 it may have.
        reason: why the tolerance is what it is.
        differences: per output and length.
        size: of its ONNX file, bytes.
        seconds: spent on exporting and comparing it.
    """

    stage: str
    precision: str
    symbol: str
    tolerance: float
    reason: str
    differences: tuple[OutputDifference, ...]
    size: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every output at every length is finite and within the tolerance."""
        return within(self.differences, self.tolerance)

    @property
    def relative_l2(self) -> float:
        """The largest over outputs and lengths."""
        return worst(self.differences)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that were run."""
        return tuple(dict.fromkeys(d.length for d in self.differences))

    @property
    def error(self) -> StageError:
        """What the manifest keeps of it."""
        return StageError(self.relative_l2, self.tolerance, self.lengths)

    def line(self, width: int = 0) -> str:
        """``[✓] density  rel L2 3.1e-07 ≤ 1e-05  (points 1, 777, 4096)``."""
        mark, sign = ("✓", "≤") if self.passed else ("✗", ">")
        numbers = f"rel L2 {self.relative_l2:.1e} {sign} {self.tolerance:.0e}"
        lengths = ", ".join(map(str, self.lengths))
        nan = sum(d.nan_count for d in self.differences)
        alarm = f"  {nan} values are not finite" if nan else ""
        return f"[{mark}] {self.stage:<{width}}  {numbers}  ({self.symbol} {lengths}){alarm}"


def report_json(reports: Sequence[StageReport], context: Mapping[str, Any]) -> bytes:
    """Everything that was measured, as canonical JSON.

    Args:
        context: further top-level entries: avatar, checkpoint, tools, machine, command.
    """
    stages = [
        {
            "stage": r.stage,
            "precision": r.precision,
            "passed": r.passed,
            "tolerance": r.tolerance,
            "reason": r.reason,
            "relative_l2": _finite(r.relative_l2),
            "size_bytes": r.size,
            "seconds": round(r.seconds, 3),
            "dimension": r.symbol,
            "outputs": [
                {
                    "output": d.output,
                    "length": d.length,
                    "relative_l2": _finite(d.relative_l2),
                    "max_abs_over_scale": _finite(d.max_abs_over_scale),
                    "nan_count": d.nan_count,
                }
                for d in r.differences
            ],
        }
        for r in reports
    ]
    return canonical({**context, "passed": all(r.passed for r in reports), "stages": stages})


def report_markdown(reports: Sequence[StageReport], context: Mapping[str, Any]) -> str:
    """The same for people."""
    passed = sum(r.passed for r in reports)
    lines = [
        f"# {context['avatar']}: exported stages against the PyTorch reference",
        "",
        f"{passed} of {len(reports)} stages are within their tolerance. Checkpoint "
        f"`{context['checkpoint'][:16]}…`; built with `{context['command']}`.",
        "",
        "| | stage | precision | rel. L2 | tolerance | max abs / scale | NaN | lengths | size |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in reports:
        largest = max(d.max_abs_over_scale for d in r.differences)
        nan = sum(d.nan_count for d in r.differences)
        lines.append(
            f"| {'✓' if r.passed else '✗'} | {r.stage} | {r.precision} | {r.relative_l2:.1e} "
            f"| {r.tolerance:.0e} | {largest:.1e} | {nan} "
            f"| {r.symbol} {', '.join(map(str, r.lengths))} | {shown_size(r.size)} |"
        )
    lines += ["", "## Why these tolerances", ""]
    lines += [f"- {p}: {reason}" for p, reason in {(r.precision, r.reason) for r in reports}]
    lines += ["", "## Built with", ""]
    lines += [f"- {tool} {version}" for tool, version in sorted(context["tools"].items())]
    return "\n".join(lines) + "\n"


def shown_size(size: int) -> str:
    """Bytes for people: ``512 B``, ``36.0 kB``, ``2.78 MB``."""
    for limit, unit in ((1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.3g} {unit}"
    return f"{size} B"


def _finite(value: float) -> float | None:
    """JSON knows no NaN: None says that there is no number."""
    return value if math.isfinite(value) else None
