"""What a ``with`` block does at its end."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

Self = TypeVar("Self")


class Closing:
    """Closed at the end of a ``with`` block."""

    def close(self) -> None:
        """Free what it holds; twice is fine."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Keeping:
    """Kept at the end of a ``with`` block, and thrown away where an exception ended it."""

    def close(self) -> None:
        """Finish it; twice is fine."""
        raise NotImplementedError

    def discard(self) -> None:
        """Leave nothing of it."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
