"""Where steps are done: in a process of their own, or here.

A kernel that never ends cannot be stopped, and one that reads beyond memory spoils the GPU for its
whole process. So steps are done by another process: what does not come back in time is killed with
it, what fails ends it, and the next step begins in a fresh one. What a step told before counts.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeAlias

from .steps import Step

Part: TypeAlias = dict[str, Any]
"""A piece of the result: lists that are added to its lists, or new values."""


class GivenUp(Exception):
    """A step failed, or did not come back."""


class Doer(Protocol):
    """Does steps."""

    def do(self, action: str, *arguments: Any) -> Iterator[Part]: ...

    def close(self) -> None: ...


class Here:
    """Steps in this process, for checkers and debuggers that watch it."""

    def __init__(self, make: Callable[[], Doer]) -> None:
        self._make = make
        self._doer: Doer | None = None

    def run(self, step: Step, seconds: float) -> Iterator[Part]:
        """A step's parts as they come.

        Raises:
            GivenUp: it failed.
        """
        try:
            self._doer = self._doer or self._make()
            yield from self._doer.do(step.action, *step.arguments)
        except Exception as error:
            self.close()
            raise GivenUp(told(error)) from error

    def close(self) -> None:
        """End it; twice is fine."""
        doer, self._doer = self._doer, None
        if doer is not None:
            doer.close()


class Apart:
    """Steps in another process.

    Args:
        make: what does them there; it is sent there, so it is a module's own.
    """

    def __init__(self, make: Callable[[], Doer]) -> None:
        self._make = make
        self._process: Any = None
        self._line: Connection | None = None

    def run(self, step: Step, seconds: float) -> Iterator[Part]:
        """A step's parts as they come.

        Args:
            seconds: after which it is given up.

        Raises:
            GivenUp: it failed, ended its process, or took longer.
        """
        end, line = time.monotonic() + seconds, self._started()
        try:
            line.send((step.action, step.arguments))
            while True:
                if not line.poll(max(0.0, end - time.monotonic())):
                    raise GivenUp(f"took longer than {seconds:.0f} s")
                kind, what = line.recv()
                if kind == "done":
                    return
                if kind == "failed":
                    raise GivenUp(what)
                yield what
        except (EOFError, OSError):
            self._process.join(10)
            why = f"its process ended, exit code {self._process.exitcode}"
            self._end()
            raise GivenUp(why) from None
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """End the process; twice is fine."""
        if self._line is not None:
            try:
                self._line.send(None)
                self._process.join(10)
            except OSError:
                pass
        self._end()

    def _started(self) -> Connection:
        if self._line is None:
            fresh = multiprocessing.get_context("spawn")
            self._line, theirs = fresh.Pipe()
            self._process = fresh.Process(target=_serve, args=(theirs, self._make), daemon=True)
            self._process.start()
            theirs.close()
        return self._line

    def _end(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()
            self._process.kill()
            self._process.join(10)


def told(error: BaseException) -> str:
    """An error in one line."""
    said = " ".join(str(error).split())[:400]
    return said if hasattr(error, "exit_code") else f"{type(error).__name__}: {said}"


def _serve(line: Connection, make: Callable[[], Doer]) -> None:
    """Do what is asked for, until nobody asks any more or something fails."""
    doer: Doer | None = None
    while True:
        try:
            asked = line.recv()
        except EOFError:
            asked = None
        if asked is None:
            break
        try:
            doer = doer or make()
            for part in doer.do(asked[0], *asked[1]):
                line.send(("part", part))
            line.send(("done", ""))
        except Exception as error:
            line.send(("failed", told(error)))
            # Nothing is given back in order: the GPU may answer every call with the same error.
            os._exit(1)
    if doer is not None:
        doer.close()
