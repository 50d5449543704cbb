"""What a ``with`` block does at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Protocol, TypeVar

Self = TypeVar("Self")


class Closeable(Protocol):
    """What can be closed, and is at the end of a ``with`` block."""

    def close(self) -> None:
        """Free what it holds; twice is fine."""

    def __enter__(self: Self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Closing(ABC):
    """Closed at the end of a ``with`` block."""

    @abstractmethod
    def close(self) -> None:
        """Free what it holds; twice is fine."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(kind is not None)

    def _leave(self, failed: bool) -> None:
        """At the end of the block; ``failed`` where an exception ended it."""
        self.close()


class Keeping(Closing):
    """Kept at the end of a ``with`` block, and thrown away where an exception ended it."""

    @abstractmethod
    def discard(self) -> None:
        """Leave nothing of it; twice is fine."""

    def _leave(self, failed: bool) -> None:
        if failed:
            self.discard()
        else:
            self.close()
