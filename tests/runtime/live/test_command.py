"""``emogene-run --live`` and ``--replay`` as a user meets them: in a process of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import emogene
from emogene.contract.errors import MissingExtra, Unavailable
from emogene.runtime.commands import app
from emogene.runtime.live import sources
from emogene.runtime.live.sources import microphone, samples_of
from tests.runtime.test_command import PROGRAM
from tests.speech import spoken

TIMEOUT = 60


def raw(seconds: float, rate: int = 16_000) -> bytes:
    sound = np.resize(spoken(), round(seconds * 16_000))
    sound = np.interp(
        np.arange(round(seconds * rate)) * 16_000 / rate, np.arange(len(sound)), sound
    )
    return (sound * 32_767).astype("<i2").tobytes()


def start(engines: Path, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, "--engine-dir", str(engines), "--size", "16", *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(engines: Path, folder: Path, *arguments: str, sound: bytes = b"") -> tuple[int, bytes, str]:
    process = start(engines, folder, *arguments)
    out, err = process.communicate(sound, timeout=TIMEOUT)
    return process.returncode, out, err.decode()


FRAME = len(b"FRAME\n") + 3 * 16 * 16


def test_standard_input_to_standard_output(tiny_engines: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    code, out, err = run(tiny_engines, tmp_path, "--live", "-", "--stats", "json", sound=raw(1.0))
    assert code == 0 and out.startswith(b"YUV4MPEG2 W16 H16 F25:1")
    frames = (len(out) - out.index(b"\n") - 1) // FRAME
    said, _, stats = err.partition("\n")
    assert said == f"wrote standard output: {frames} frames, {frames / 25:.2f} s, 16×16, neutral"
    filler = json.loads(stats)["filler"]
    assert frames == 25 + filler and filler >= 9  # as it looks ahead before the first word
    assert time.monotonic() - began > frames / 25 - 0.1


def test_a_log_renders_to_the_same_pictures(tiny_engines: Path, tmp_path: Path) -> None:
    code, out, _ = run(
        tiny_engines, tmp_path, *("--live", "-", "-o", "live.y4m", "--log", "log"),
        *("--emotion", "0:sad,0.4:happy@0.8", "--sample-rate", "8000", "--stats", "json"),
        sound=raw(0.8, 8000) + b"\x00",
    )  # fmt: skip
    told = json.loads(out)
    assert code == 0 and told["output"] == "live.y4m"
    assert told["taken"] == told["frames"] > 20 and told["dropped"] == 0
    assert told["session"]["frames"] == told["frames"] and told["first_frame_seconds"] > 0
    code, _, err = run(tiny_engines, tmp_path, "--replay", "log", "-o", "again.y4m")
    assert (code, err) == (0, f"wrote again.y4m: {told['frames']} frames, "
                              f"{told['frames'] / 25:.2f} s, 16×16, sad\n")  # fmt: skip
    assert (tmp_path / "again.y4m").read_bytes() == (tmp_path / "live.y4m").read_bytes()
    pushed = sum(
        event["count"]
        for line in (tmp_path / "log" / "events.jsonl").read_text().splitlines()[1:]
        if (event := json.loads(line))["kind"] == "push"
    )
    assert pushed == 6400


def test_a_player_that_is_closed_ends_it_though_the_speaker_goes_on(
    tiny_engines: Path, tmp_path: Path
) -> None:
    process = start(tiny_engines, tmp_path, "--live", "-")
    assert process.stdin and process.stdout and process.stderr
    process.stdin.write(raw(0.5))
    process.stdin.flush()
    process.stdout.read(2000)
    process.stdout.close()
    assert process.wait(TIMEOUT) == 0  # its standard input is still open
    err = process.stderr.read().decode()
    assert err.startswith("wrote standard output: ") and err.count("\n") == 1
    process.stdin.close()
    process.stderr.close()


def test_silence_on_an_open_pipe_idles_until_interrupted(
    tiny_engines: Path, tmp_path: Path
) -> None:
    process = start(tiny_engines, tmp_path, "--live", "-")
    assert process.stdout
    got = len(process.stdout.read(60 + 20 * FRAME))
    assert got == 60 + 20 * FRAME
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130 and b"Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--live", "speech.wav"), "found speech.wav — ffmpeg -i FILE"),
        (("--live", "--sample"), "found --sample"),
        (("--live", "-", "--emotion", "hapy"), "did you mean 'happy'"),
        (("--live", "-", "--sample-rate", "10"), "sample rate: expected 1000…768000 Hz"),
        (("--live", "-", "--log", "no/log"), "no/log: expected a place that can be written"),
        (("--live", "-", "-o", "missing/x.y4m"), "missing/x.y4m"),
        (("--log", "log", "x.wav"), "--log: expected --live beside it"),
        (("--sample-rate", "8000", "x.wav"), "--sample-rate: expected --live beside it"),
        (("--replay", "nowhere"), "nowhere/events.jsonl: expected a file of a live log"),
        (("--replay", "log", "--live"), "--replay: expected a log that says all"),
        (("--replay", "log", "x.wav"), "found x.wav"),
    ],
)
def test_every_mistake_is_one_clear_line(
    tiny_engines: Path, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    code, out, err = run(tiny_engines, tmp_path, *arguments)
    assert code == 2 and not out.startswith(b"YUV4MPEG2")
    assert err.startswith("error: ") and err.count("\n") == 1 and expected in err


def test_without_a_microphone_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtra, match=r'pip install "emogene\[mic\]"'):
        microphone(16_000)


class PortAudioError(Exception):
    pass


class FakeStream:
    """As sounddevice's `RawInputStream`: started before it is read, bytes and a flag at a read."""

    unplugged_after = 3

    def __init__(self, *, samplerate: int, channels: int, dtype: str) -> None:
        if samplerate == 1234:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        assert (channels, dtype) == (1, "int16")
        self.reads, self.started, self.closed = 0, False, False

    def start(self) -> None:
        self.started = True

    def read(self, frames: int) -> tuple[memoryview, bool]:
        assert self.started and not self.closed
        self.reads += 1
        if self.reads > self.unplugged_after:
            raise PortAudioError("Device unavailable [PaErrorCode -9985]")
        return memoryview(np.full(frames, self.reads, np.int16).tobytes()), False

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


def test_the_microphone_is_heard_until_it_is_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.SimpleNamespace(RawInputStream=FakeStream, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    heard = []
    with pytest.raises(Unavailable, match=r"microphone: .*Device unavailable"):
        for samples in samples_of(microphone(16_000)):
            heard.append(samples)
    assert [(len(s), int(s[0])) for s in heard] == [(640, 1), (640, 2), (640, 3)]
    with pytest.raises(Unavailable, match="Invalid sample rate"):
        microphone(1234)


def test_what_the_microphone_hears_is_shown_until_it_is_unplugged(
    tiny_engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Speaking(FakeStream):
        unplugged_after = 15

        def read(self, frames: int) -> tuple[memoryview, bool]:
            time.sleep(frames / 16_000)
            return super().read(frames)

    fake = types.SimpleNamespace(RawInputStream=Speaking, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    output = tmp_path / "heard.y4m"
    arguments = ["--live", "-o", str(output), "--log", str(tmp_path / "log"), "--size", "16"]
    told = CliRunner().invoke(app, ["--engine-dir", str(tiny_engines), *arguments])
    assert isinstance(told.exception, Unavailable)
    assert "microphone" in str(told.exception) and "Device unavailable" in str(told.exception)
    frames = (output.stat().st_size - len(output.read_bytes().partition(b"\n")[0]) - 1) / FRAME
    assert frames == int(frames) and frames > 15  # what was heard, after what it looks ahead
    with emogene.open(tiny_engines, threads=1) as avatar:
        sound = np.concatenate([f.audio for f in emogene.replay(tmp_path / "log", avatar)])
    heard = [k for k in range(1, 16) if np.isclose(sound, k / 32768).sum() == 640]
    assert heard == list(range(1, 16))


def test_samples_are_joined_across_pieces() -> None:
    whole = np.arange(-500, 500, dtype="<i2")
    data = whole.tobytes() + b"\x01"
    pieces = [data[:1], data[1:2], b"", data[2:7], data[7:]]
    np.testing.assert_array_equal(np.concatenate(list(samples_of(pieces))), whole)


def test_standard_input_gives_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read))
    pieces = sources.standard_input()
    os.write(write, b"abc")
    assert next(pieces) == b"abc"
    later = threading.Timer(0.05, lambda: os.close(write))
    later.start()
    assert list(pieces) == []
