"""What the doctor says, as lines on the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..runtime.doctor import Diagnosis
from ..runtime.doctor_checks import BROKEN, NOT_NEEDED, WORKS, Status
from .command_output import line

if TYPE_CHECKING:
    from rich.console import Console

_MARKS: dict[str, str] = {WORKS: "✓", BROKEN: "✗", NOT_NEEDED: "–"}


def print_diagnosis(found: Diagnosis, out: Console) -> None:
    """One line a finding, the remedy below it; engines that share a finding share a line."""
    further = [check for check in (found.live, found.pictures) if check]
    checks = [*found.checks, *further]
    names = [c.name for c in checks] + [c.backend for c in found.candidates]
    width = max(map(len, names))
    for check in checks:
        line(out, f"[{_MARKS[check.status]}] {check.name:<{width}}  {check.found}")
        _remedies(out, width, [check.remedy])
    for candidate in found.candidates:
        missing: Status = BROKEN if candidate.wanted else NOT_NEEDED
        mark = _MARKS[WORKS if candidate.works else missing]
        line(out, f"[{mark}] {candidate.backend:<{width}}  {candidate.reason}")
        _remedies(out, width, [candidate.remedy])
    alike: dict[tuple[str, str, str, str], list[str]] = {}
    for e in found.engines:
        # The finding names the file; what is the same without it is the same finding.
        said = e.found.removeprefix(f"{e.file}: ")
        alike.setdefault((e.target, e.status, said, e.remedy), []).append(e.stage)
    for (target, status, said, remedy), stages in alike.items():
        line(out, f"[{_MARKS[status]}] engines of {', '.join(stages)} for {target}: {said}")
        _remedies(out, width, [remedy])
    what = found.directory or "this machine"
    if found.runs:
        line(out, f"{what}: runs with {found.uses}, {found.why}")


def _remedies(out: Console, width: int, remedies: Iterable[str]) -> None:
    for remedy in remedies:
        if remedy:
            line(out, f"    {'':<{width}}  → {remedy}")
