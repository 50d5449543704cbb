"""An avatar that hears too slowly for a live session is refused, with the measured factor."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene.contract import stages
from emogene.contract.errors import Unavailable
from emogene.exporters.commands import app
from emogene.runtime.avatar import Avatar
from emogene.runtime.doctor import doctor
from emogene.runtime.loading import load_engine_directory
from emogene.runtime.profiles import LIVE, OFFLINE
from emogene.runtime.speech import speed
from emogene.runtime.speech.speed import HearingSpeed
from tests.speech import spoken


class FakeTime:
    """The clock that hearing is measured by: it goes on only while somebody is `Slowed`."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    made = FakeTime()
    monkeypatch.setattr(speed, "time", made)
    return made


class Slowed:
    """A runner that takes as long as it is told, each time."""

    def __init__(self, runner: Any, clock: FakeTime, *seconds: float) -> None:
        self._runner, self._clock, self._seconds, self.runs = runner, clock, seconds, 0
        self.backend, self.inputs, self.outputs = runner.backend, runner.inputs, runner.outputs

    def run(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self._clock.now += self._seconds[min(self.runs, len(self._seconds) - 1)]
        self.runs += 1
        return self._runner.run(values)

    def close(self) -> None:
        self._runner.close()


def slowed(engines: Path, clock: FakeTime, *seconds: float) -> tuple[Avatar, Slowed]:
    loaded = load_engine_directory(engines, 1)
    slow = Slowed(loaded.runners[stages.HUBERT], clock, *seconds)
    runners = dict(loaded.runners) | {stages.HUBERT: slow}
    return Avatar(replace(loaded, runners=runners), 1), slow


def factor(found: str) -> float:
    return float(found.split()[0])


def test_a_slow_encoder_is_refused_for_live_alone(tiny_engines: Path, clock: FakeTime) -> None:
    avatar, slow = slowed(tiny_engines, clock, 0.12)  # a hop lasts 0.16 s
    with avatar:
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"at most 0\.5 of its") as refused:
                avatar.session(profile="live", size=16)
            assert factor(refused.value.found) == 0.75
            assert slow.runs == 4  # measured once
        avatar.session(size=16).close()
        longer = replace(LIVE, name="patient", hop=16)
        avatar.session(profile=longer, size=16).close()  # 0.64 s for the same work


def test_whole_files_and_replays_are_bound_to_no_clock(
    tiny_engines: Path, tmp_path: Path, clock: FakeTime
) -> None:
    speech = spoken()[:12_800]
    with emogene.open(tiny_engines, threads=1) as avatar:
        usual = list(avatar.render(speech, profile="live", size=16))
        session = avatar.session(profile="live", size=16)
        with emogene.LiveDriver(session, log=tmp_path / "log") as driver:
            driver.push(speech)
            driver.end_input()
            shown = list(driver)
    avatar, slow = slowed(tiny_engines, clock, 0.12)
    with avatar:
        slowly = list(avatar.render(speech, profile="live", size=16))
        again = list(emogene.replay(tmp_path / "log", avatar))
        assert slow.runs > 4
        with pytest.raises(Unavailable, match="profile live"):
            avatar.session(profile="live", size=16)
    for a, b in ((usual, slowly), (shown, again)):
        assert len(a) == len(b) > 0
        assert all(np.array_equal(x.image, y.image) for x, y in zip(a, b, strict=True))


def test_a_single_disturbance_refuses_nobody(tiny_engines: Path, clock: FakeTime) -> None:
    avatar, slow = slowed(tiny_engines, clock, 0.3, 0.2, 0.0)
    with avatar:
        avatar.session(profile="live", size=16).close()
        assert slow.runs == 3


def test_the_share_is_of_the_hop(
    tiny_engines: Path, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    avatar, slow = slowed(tiny_engines, clock, 0.04)
    with avatar:
        hearing = HearingSpeed(avatar._speech)
        assert hearing.share(LIVE) == hearing.share(LIVE) == pytest.approx(0.25)
        assert slow.runs == 2  # the first one is not measured
        hearing.check(OFFLINE)
        monkeypatch.setattr(speed, "time", time)
        assert HearingSpeed(avatar._speech).share(LIVE) > 0  # by the true clock


def test_the_doctor_says_so(
    tiny_engines: Path, tmp_path: Path, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    folder = Path(shutil.copytree(tiny_engines, tmp_path / "e"))
    found = doctor(folder)
    assert found.live is not None and (found.live.status, found.live.remedy) == ("works", "")
    assert doctor().live is None
    hear = HearingSpeed._hear

    def slowly(self: HearingSpeed, profile: Any) -> None:
        clock.now += 0.4
        hear(self, profile)

    monkeypatch.setattr(HearingSpeed, "_hear", slowly)
    found = doctor(folder)
    assert found.runs and found.live is not None and found.live.status == "does not work"
    assert factor(found.live.found.removeprefix("hears in ")) == 2.5
    assert "offline profile" in found.live.remedy
    told = CliRunner().invoke(app, ["doctor", str(folder)])
    assert told.exit_code == 0 and "[✗] live profile" in told.output.replace("\n", " ")
    monkeypatch.undo()
    (folder / "stages" / "hubert.onnx").write_bytes(b"damaged")
    assert doctor(folder).live is None
