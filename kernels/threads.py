"""The one pool of threads that an avatar's kernels run on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..contract.closing import Closing
from ..contract.errors import BadOption, SessionMisuse


class ThreadPool(Closing):
    """Threads for the kernels, the caller of a kernel being one of them.

    A pool may be handed to kernels on several Python threads at once; they take turns on it. Its
    threads start with the first kernel and end with `close`.

    Args:
        threads: how many work at a kernel, at least 1.

    Raises:
        BadOption: fewer than 1.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise BadOption("threads", expected="at least 1", found=str(threads))
        self.threads = threads
        self._state = threading.Condition()
        self._handle: int | None = None
        self._destroy: Callable[[int], None] | None = None
        self._leases = 0
        self._closed = False

    @contextmanager
    def leased(self, create: Callable[[], int], destroy: Callable[[int], None]) -> Iterator[int]:
        """The pool's handle in C, kept alive inside the block.

        Raises:
            SessionMisuse: the pool was closed.
        """
        with self._state:
            if self._closed:
                raise SessionMisuse(
                    "ThreadPool", expected="an open pool", found="one that was closed"
                )
            if self._handle is None:
                self._handle, self._destroy = create(), destroy
            handle = self._handle
            self._leases += 1
        try:
            yield handle
        finally:
            with self._state:
                self._leases -= 1
                self._state.notify_all()

    def close(self) -> None:
        """Waits for running kernels and ends the threads; calling it again does nothing."""
        with self._state:
            self._closed = True
            self._state.wait_for(lambda: self._leases == 0)
            handle, self._handle = self._handle, None
        if handle is not None and self._destroy is not None:
            self._destroy(handle)

    def __del__(self) -> None:
        # An abandoned pool must not leave threads behind for the rest of the process.
        if getattr(self, "_handle", None) is not None:
            self.close()
