"""What tests of live sessions stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import emogene
from emogene import Session
from emogene.runtime.live.driver import LiveDriver
from emogene.runtime.live.options import PERIOD, LiveOptions
from tests.patience import eventually

from .fake_clock import FakeClock


class Stage:
    """A driver, and the hand that turns its clock."""

    def __init__(self, driver: LiveDriver, clock: FakeClock) -> None:
        self.driver, self.clock = driver, clock

    def made(self, frames: int) -> None:
        """Wait until so many frames were made in all."""
        eventually(lambda: self.driver.metrics.frames >= frames)
        assert self.driver.metrics.frames == frames

    def tick(self, count: int = 1) -> None:
        """Let ``count`` frames be made, one every 40 ms."""
        for _ in range(count):
            before = self.driver.metrics.frames
            self.clock.advance(PERIOD)
            self.made(before + 1)


MakeStage = Callable[..., Stage]
OpenSession = Callable[..., Session]


@pytest.fixture
def open_session(avatar: emogene.Avatar) -> OpenSession:
    """A live session of the tiny avatar, small."""
    return lambda **options: avatar.session(profile="live", **({"size": 8, "seed": 5} | options))


@pytest.fixture
def stage(open_session: OpenSession) -> Iterator[MakeStage]:
    """A driver that has made its first frame; keyword arguments as those of the driver."""
    open_drivers: list[LiveDriver] = []

    def make(
        options: LiveOptions | None = None, session: Session | None = None, **more: object
    ) -> Stage:
        clock = FakeClock()
        driver = LiveDriver(session or open_session(), options, clock=clock, **more)  # type: ignore[arg-type]
        open_drivers.append(driver)
        made = Stage(driver, clock)
        made.made(1)
        return made

    yield make
    for driver in open_drivers:
        driver.close()
