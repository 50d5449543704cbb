"""How many sessions an avatar takes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ..contract.errors import BadOption, TooManySessions
from .scheduler import LoadMeter

if TYPE_CHECKING:
    from .session import Session

MaxSessions = int | Literal["auto"] | None

FULL = 0.9
"""Share of the time that live frames may take; the rest is for what is not measured."""


def checked_limit(limit: MaxSessions) -> MaxSessions:
    """``limit``, if it is one; raises `BadOption` otherwise."""
    if limit is None or limit == "auto" or (type(limit) is int and limit >= 1):
        return limit
    raise BadOption("max_sessions", expected='1 or more, or "auto"', found=repr(limit))


class Admission:
    """Keeps count of open sessions, and refuses one too many.

    Args:
        limit: the most that may be open; ``"auto"`` refuses a live session that would leave all of
            them less than 25 frames a second, going by the frames measured so far; None takes any.
        meter: has measured them.
    """

    def __init__(self, limit: MaxSessions, meter: LoadMeter) -> None:
        self._limit, self._meter = limit, meter
        self._lock = threading.Lock()
        # One that is forgotten without being closed must not be counted for ever.
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()

    @property
    def open(self) -> int:
        """Sessions open now."""
        return sum(not session.closed for session in list(self._sessions))

    def admit(self, size: int, begin: Callable[[], Session], *, on_time: bool) -> Session:
        """The session that ``begin`` makes, if there is room for it.

        Args:
            size: of its pictures.
            on_time: whether its frames are needed as time goes by.

        Raises:
            TooManySessions: there is not.
        """
        with self._lock:
            self._check(size, on_time=on_time)
            session = begin()
            self._sessions.add(session)
            return session

    def _check(self, size: int, *, on_time: bool) -> None:
        now = self.open
        if type(self._limit) is int and now >= self._limit:
            raise TooManySessions(
                "session",
                expected=f"fewer than {self._limit} open",
                found=str(now),
                remedy="close one, or open the avatar with a larger max_sessions",
            )
        if self._limit != "auto" or not on_time:
            return
        live = [s.size for s in list(self._sessions) if not s.closed and s.on_time]
        load = self._meter.load([*live, size])
        if load is not None and load > FULL:
            raise TooManySessions(
                "session",
                expected=f"live frames to take at most {FULL:.0%} of the time",
                found=f"{load:.0%} with this one beside {len(live)}",
                remedy="close one, or ask for a smaller size",
            )
