"""When what is shown was pushed."""

from __future__ import annotations

from collections import deque


class Marks:
    """Remembers for each frame the moment of the first push that begins in it.

    At most one mark a frame that is still to come, so the driver's limit on the backlog bounds it.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[int, float]] = deque()

    def add(self, frame: int, moment: float) -> None:
        """Something pushed at ``moment`` (seconds) begins in frame ``frame``."""
        if not self._marks or self._marks[-1][0] < frame:
            self._marks.append((frame, moment))

    def pop(self, frame: int) -> float | None:
        """The moment of frame ``frame``, which is forgotten with all before; None without one."""
        moment = None
        while self._marks and self._marks[0][0] <= frame:
            index, pushed = self._marks.popleft()
            moment = pushed if index == frame else None
        return moment

    def clear(self) -> None:
        """What was pushed will not be shown."""
        self._marks.clear()
