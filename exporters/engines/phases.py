"""Nested phases of a build → one share that only grows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

_NOTICEABLE = 0.005
"""Steps smaller than this are not reported: there are thousands."""


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """Follows what `IProgressMonitor` is told, from whichever thread.

    Args:
        report: called with the phase being worked on and the share of the whole that is done, 0…1.
    """

    def __init__(self, report: Callable[[str, float], None]) -> None:
        self._report = report
        self._open: dict[str, _Phase] = {}
        self._share = 0.0
        self._lock = threading.Lock()

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins, as part of the present step of ``parent``."""
        with self._lock:
            self._open[name] = _Phase(parent, max(steps, 1))
            self._report(name, self._share)

    def step(self, name: str, step: int) -> None:
        """Step number ``step`` of a phase is done."""
        with self._lock:
            phase = self._open.get(name)
            if phase is None:
                return
            phase.done = min(max(phase.done, step + 1), phase.steps)
            share = self._behind(phase)
            if share > self._share + _NOTICEABLE:
                self._share = share
                self._report(name, share)

    def finish(self, name: str) -> None:
        """A phase is over."""
        with self._lock:
            self._open.pop(name, None)

    def _behind(self, phase: _Phase) -> float:
        """Share of the whole that lies behind the last step of ``phase``."""
        share = phase.done / phase.steps
        seen = 0
        while phase.parent in self._open and seen < len(self._open):
            phase = self._open[phase.parent]
            share = min(1.0, (phase.done + share) / phase.steps)
            seen += 1
        return share
