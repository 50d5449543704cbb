"""Frames for ``async for``. Nothing else in the engine knows of event loops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ...contract.data import Frame
from .queue import FrameQueue

if TYPE_CHECKING:
    from .driver import LiveDriver


async def frames(driver: LiveDriver, queue: FrameQueue) -> AsyncIterator[Frame]:
    """Frames as they are due, until the stream ends.

    No thread waits for them: the event loop is woken when one is finished, so a task that is
    cancelled takes no frame with it.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed under us
            loop.call_soon_threadsafe(news.set)

    with queue.listening(wake):
        while True:
            news.clear()
            frame = driver.pull(0)
            if frame is not None:
                yield frame
            elif driver.ended:
                return
            else:
                with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                    await asyncio.wait_for(news.wait(), queue.seconds_to_next())
