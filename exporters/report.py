"""What was measured of every network, as a line on the terminal, as JSON and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..contract.codec import canonical
from ..contract.tensors import StageError
from .compare import OutputDifference, within, worst

REPORT_JSON, REPORT_MARKDOWN = "report.json", "report.md"

NAME_WIDTH = 16
"""Of the longest stage name."""


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
        seconds: spent on making and comparing it.
        target: what ran it.
        architectures: compute capabilities an engine was built for.
        kept: nodes of a variant that stayed in fp32, each as ``node: reason``.
    """

    stage: str
    precision: str
    symbol: str
    tolerance: float
    reason: str
    differences: tuple[OutputDifference, ...]
    size: int
    seconds: float
    target: str = "onnxruntime"
    architectures: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

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

    def line(self) -> str:
        """``[✓] density  fp32  rel L2 3.1e-07 ≤ 1e-05  (points 1, 777, 4096)``."""
        mark, sign = ("✓", "≤") if self.passed else ("✗", ">")
        numbers = f"rel L2 {self.relative_l2:.1e} {sign} {self.tolerance:.0e}"
        lengths = ", ".join(map(str, self.lengths))
        nan = sum(d.nan_count for d in self.differences)
        alarm = f"  {nan} values are not finite" if nan else ""
        kept = f"  {len(self.kept)} nodes in fp32" if self.kept else ""
        return (
            f"[{mark}] {_subject(self.stage, self.precision, self.target, self.architectures)}  "
            f"{numbers}  ({self.symbol} {lengths}){kept}{alarm}"
        )


@dataclass(frozen=True)
class NotExecuted:
    """A network that nothing on this machine could run: neither passed nor failed.

    Attributes:
        stage, precision, target, architectures, size, seconds, kept: as in `StageReport`.
        why: it was not executed, in words.
    """

    stage: str
    precision: str
    target: str
    size: int
    seconds: float
    why: str
    architectures: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def line(self) -> str:
        """``[–] density  fp32  tensorrt-rtx sm_86,89,120  built, not executed  (530 kB)``."""
        subject = _subject(self.stage, self.precision, self.target, self.architectures)
        return f"[–] {subject}  built, not executed  ({shown_size(self.size)})"


Report = StageReport | NotExecuted


def measured(reports: Iterable[Report]) -> list[StageReport]:
    """Those that were executed."""
    return [r for r in reports if isinstance(r, StageReport)]


def shown_architectures(architectures: Sequence[str]) -> str:
    """``("sm_86", "sm_120")`` → ``sm_86,120``."""
    return ",".join(a if i == 0 else a.removeprefix("sm_") for i, a in enumerate(architectures))


def _subject(stage: str, precision: str, target: str, architectures: Sequence[str]) -> str:
    words = [f"{stage:<{NAME_WIDTH}}", precision]
    if target != "onnxruntime":
        words.append(f"{target} {shown_architectures(architectures)}".rstrip())
    return "  ".join(words)


def report_json(reports: Sequence[Report], context: Mapping[str, Any]) -> bytes:
    """Everything that was measured, as canonical JSON.

    Args:
        context: further top-level entries: avatar, checkpoint, tools, machine, command.
    """
    return canonical(
        {
            **context,
            "passed": all(r.passed for r in measured(reports)),
            "stages": [_plain(r) for r in measured(reports)],
            "not_executed": [_plain(r) for r in reports if isinstance(r, NotExecuted)],
        }
    )


def _plain(report: Report) -> dict[str, Any]:
    plain = {
        "stage": report.stage,
        "precision": report.precision,
        "target": report.target,
        "architectures": list(report.architectures),
        "size_bytes": report.size,
        "seconds": round(report.seconds, 3),
        "kept_in_fp32": list(report.kept),
    }
    if isinstance(report, NotExecuted):
        return {**plain, "why": report.why}
    return {
        **plain,
        "passed": report.passed,
        "tolerance": report.tolerance,
        "reason": report.reason,
        "relative_l2": _finite(report.relative_l2),
        "dimension": report.symbol,
        "outputs": [
            {
                "output": d.output,
                "length": d.length,
                "relative_l2": _finite(d.relative_l2),
                "max_abs_over_scale": _finite(d.max_abs_over_scale),
                "nan_count": d.nan_count,
            }
            for d in report.differences
        ],
    }


def report_markdown(reports: Sequence[Report], context: Mapping[str, Any]) -> str:
    """The same for people."""
    run = measured(reports)
    rest = [r for r in reports if isinstance(r, NotExecuted)]
    lines = [
        f"# {context['avatar']}: exported stages against the PyTorch reference",
        "",
        f"{sum(r.passed for r in run)} of {len(run)} stages are within their tolerance; "
        f"{len(rest)} could not be executed where they were built. Checkpoint "
        f"`{context['checkpoint'][:16]}…`; built with `{context['command']}`.",
        "",
        "| | stage | precision | target | rel. L2 | tolerance | max abs / scale | NaN | lengths "
        "| size |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in run:
        largest = max(d.max_abs_over_scale for d in r.differences)
        nan = sum(d.nan_count for d in r.differences)
        lines.append(
            f"| {'✓' if r.passed else '✗'} | {r.stage} | {r.precision} | {_target(r)} "
            f"| {r.relative_l2:.1e} | {r.tolerance:.0e} | {largest:.1e} | {nan} "
            f"| {r.symbol} {', '.join(map(str, r.lengths))} | {shown_size(r.size)} |"
        )
    lines += [
        f"| – | {r.stage} | {r.precision} | {_target(r)} | not executed | | | | "
        f"| {shown_size(r.size)} |"
        for r in rest
    ]
    if end_to_end := context.get("end_to_end"):
        lines += ["", "## End to end, against fp32", ""]
        lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in end_to_end.items()]
    if kept := [(r.stage, r.precision, k) for r in reports for k in r.kept]:
        lines += ["", "## What stayed in fp32", ""]
        lines += [f"- {stage} {precision}: {node}" for stage, precision, node in kept]
    if rest:
        lines += ["", "## Why something was not executed", ""]
        lines += [f"- {why}" for why in dict.fromkeys(f"{r.target}: {r.why}" for r in rest)]
    lines += ["", "## Why these tolerances", ""]
    reasons = dict.fromkeys((r.precision, r.reason) for r in run)
    lines += [f"- {precision}: {reason}" for precision, reason in reasons]
    lines += ["", "## Built with", ""]
    lines += [f"- {tool} {version}" for tool, version in sorted(context["tools"].items())]
    return "\n".join(lines) + "\n"


def _target(report: Report) -> str:
    return f"{report.target} {shown_architectures(report.architectures)}".rstrip()


def shown_size(size: int) -> str:
    """Bytes for people: ``512 B``, ``36.0 kB``, ``2.78 MB``."""
    for limit, unit in ((1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.3g} {unit}"
    return f"{size} B"


def _finite(value: float) -> float | None:
    """JSON knows no NaN: None says that there is no number."""
    return value if math.isfinite(value) else None
