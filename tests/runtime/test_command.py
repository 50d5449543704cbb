"""``emogene-run`` as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from emogene.contract.errors import BadAudio
from emogene.runtime import commands_run
from emogene.runtime.audio import decode
from emogene.runtime.command_output import warnings_said, without_library_chatter
from tests.patience import eventually
from tests.speech import spoken

PROGRAM = (sys.executable, "-c", "from emogene.runtime.commands import main; main()")


def start(folder: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def emogene_run(folder: Path, *arguments: str | Path) -> tuple[int, bytes, str]:
    """Exit code, standard output, standard error."""
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_engines: Path) -> Path:
    """Where a user stands: ``speech.wav`` of 1.01 s and an engine directory ``e``."""
    here = tmp_path_factory.mktemp("user")
    soundfile.write(here / "speech.wav", spoken()[:16_160], 16_000)
    shutil.copytree(tiny_engines, here / "e")
    return here


def test_no_option_but_the_avatar_is_needed(folder: Path) -> None:
    code, out, err = emogene_run(folder, "speech.wav", "--engine-dir", "e", "--emotion", "happy")
    assert (code, out) == (0, b"")
    assert err == "wrote speech.mp4: 26 frames, 1.04 s, 64×64, happy\n"
    with av.open(str(folder / "speech.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.average_rate, video.width, video.height) == (25, 64, 64)
        assert len(list(container.decode(video))) == 26 and audio.codec.name == "aac"


def test_statistics(folder: Path) -> None:
    code, out, _ = emogene_run(
        folder, "speech.wav", "--engine-dir", "e", "-o", "s.y4m", "--size", "32", "--stats", "json"
    )
    assert code == 0
    told = json.loads(out)
    assert told["backend"] == "onnxruntime-cpu" and told["output"] == "s.y4m"
    assert (told["frames"], told["size"]) == (26, 32) and told["samples_per_ray"] > 1
    assert 0 < told["render_ms_p50"] <= told["render_ms_p95"]
    assert 0 < told["seconds_to_first_frame"] < told["seconds_elapsed"]
    assert told["renderer"].startswith("fused (") and told["quality"] == "balanced"


def test_another_renderer_and_quality(folder: Path) -> None:
    code, out, _ = emogene_run(
        *(folder, "speech.wav", "--engine-dir", "e", "-o", "w.y4m", "--size", "16"),
        *("--renderer", "wavefront", "--quality", "fast", "--stats", "json"),
    )
    assert code == 0
    told = json.loads(out)
    assert (told["renderer"], told["quality"]) == ("wavefront", "fast")
    assert told["renderer_why"] == "asked for"


def test_emotions_over_time(folder: Path) -> None:
    run = ("speech.wav", "--engine-dir", "e", "--size", "16")
    code, _, err = emogene_run(
        folder, *run, "-o", "a.y4m", "--emotion", "0:sad,0.4:happy@0.8,9:fear"
    )
    assert code == 0 and err == (
        "note: 1 change of emotion, from 9 s on, after the end of the audio\n"
        "wrote a.y4m: 26 frames, 1.04 s, 16×16, sad, happy, fear\n"
    )
    (folder / "track.csv").write_text("time,emotion,intensity\n0,sad,\n0.4,happy,0.8\n")
    code, _, err = emogene_run(folder, *run, "-o", "b.y4m", "--emotion-track", "track.csv")
    assert code == 0 and err.endswith("sad, happy\n")
    assert (folder / "a.y4m").read_bytes() == (folder / "b.y4m").read_bytes()
    code, _, _ = emogene_run(folder, *run, "-o", "c.y4m", "--emotion", "sad")
    assert code == 0 and (folder / "c.y4m").read_bytes() != (folder / "a.y4m").read_bytes()


def test_pipes_and_folders(folder: Path) -> None:
    arguments = ("speech.wav", "--engine-dir", "e", "--size", "32")
    code, out, err = emogene_run(folder, *arguments, "-o", "-", "--stats", "json")
    assert code == 0 and out.startswith(b"YUV4MPEG2 W32 H32 F25:1")
    assert json.loads(err[err.index("{") :])["output"] == "-"
    code, _, _ = emogene_run(folder, *arguments, "-o", "png/")
    assert code == 0 and len(list((folder / "png").glob("*.png"))) == 26


def test_speech_on_standard_input(folder: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "-", "--engine-dir", "e", "-o", "piped.y4m", "--size", "16"],
        cwd=folder,
        input=(folder / "speech.wav").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert done.stderr.startswith(b"wrote piped.y4m: 26 frames")


def test_a_reader_that_leaves_early_is_no_traceback(folder: Path) -> None:
    process = start(folder, "speech.wav", "--engine-dir", "e", "-o", "-", "--size", "128")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read().decode()
    process.wait(timeout=60)
    process.stderr.close()
    assert "Traceback" not in err and err.count("\n") <= 1


@pytest.mark.parametrize("output", [(), ("-o", "talk.mp4"), ("-o", "./talk.mp4")])
def test_the_input_is_never_written_over(folder: Path, output: tuple[str, ...]) -> None:
    content = (folder / "speech.wav").read_bytes()
    (folder / "talk.mp4").write_bytes(content)
    code, _, err = emogene_run(folder, "talk.mp4", "--engine-dir", "e", *output)
    assert code == 2 and "-o: expected another file than AUDIO, found " in err
    assert (folder / "talk.mp4").read_bytes() == content


def test_damage_that_can_be_lived_with_is_said(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with warnings_said(), without_library_chatter():
        decode._broken("talk.mp3", 640, "lost sync")
    expected = "warning: talk.mp3 is damaged (lost sync); using the 640 samples that can be read"
    assert expected in capfd.readouterr().err


def write_bad_inputs(folder: Path) -> None:
    (folder / "text.wav").write_text("this is not sound\n" * 50)
    soundfile.write(folder / "empty.wav", np.zeros(0, np.float32), 16_000)
    broken = spoken()[:8000].copy()
    broken[100] = np.nan
    soundfile.write(folder / "nan.wav", broken, 16_000, subtype="FLOAT")
    (folder / "cut.mp3").write_bytes(b"\xff\xfb\x90\x00" + b"\x00" * 30)
    (folder / "old.mp4").write_bytes(b"what stood before")
    (folder / "bad.csv").write_text("time,emotion\nsoon,happy\n")
    (folder / "blocked").write_text("a file where a folder should be")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "AUDIO: expected an audio file, found none"),
        (("nowhere.wav",), "nowhere.wav: expected an audio file"),
        (("text.wav",), "text.wav"),
        (("empty.wav",), "empty.wav: expected at least one sample"),
        (("nan.wav",), "nan.wav: expected finite samples, found nan at sample 100"),
        (("cut.mp3",), "cut.mp3"),
        (("e",), "e: expected an audio file"),
        (("speech.wav", "--sample"), "--sample: expected no AUDIO"),
        (("speech.wav", "--emotion", "hapy"), "did you mean 'happy'?"),
        (("speech.wav", "--emotion", "hapy"), "angry, contempt, disgust, fear, happy, neutral"),
        (("speech.wav", "--emotion", "0:sad,1:hapy"), "emotion, entry 2: emotion: expected one of"),
        (
            ("speech.wav", "--emotion-track", "no.csv"),
            "no.csv: expected an emotion track, found No",
        ),
        (("speech.wav", "--emotion-track", "bad.csv"), "bad.csv: line 2: time: expected a number"),
        (
            ("speech.wav", "--emotion-track", "bad.csv", "--emotion", "sad"),
            "--emotion-track: expected no --emotion beside it, found sad",
        ),
        (("speech.wav", "--intensity", "2"), "a number from 0 to 1.5"),
        (("speech.wav", "--intensity", "much"), "--intensity"),
        (("speech.wav", "--seed", "-1"), "seed: expected a whole number"),
        (("speech.wav", "--size", "0"), "size: expected a whole number of pixels"),
        (("speech.wav", "--size", "63"), "an even height and width"),
        (("speech.wav", "--threads", "0"), "threads: expected at least 1"),
        (("speech.wav", "--idle", "lenient"), "--idle"),
        (("speech.wav", "--frobnicate"), "No such option: --frobnicate"),
        (("speech.wav", "--engine-dir", "nowhere"), "nowhere: expected an engine directory"),
        (("speech.wav", "-o", "old.avi"), "a name ending in .mp4 or .y4m"),
        (("speech.wav", "-o", "missing/out.mp4"), "missing/out.mp4"),
        (("speech.wav", "-o", "blocked/out.mp4"), "blocked/out.mp4"),
        (("nan.wav", "-o", "old.mp4"), "nan.wav"),
    ],
)
def test_every_mistake_is_one_clear_line(
    folder: Path, arguments: tuple[str, ...], expected: str
) -> None:
    write_bad_inputs(folder)
    before = sorted(p.name for p in folder.iterdir())
    engines = () if "--engine-dir" in arguments else ("--engine-dir", "e")
    code, out, err = emogene_run(folder, *arguments, *engines)
    assert code == 2 and out == b""
    assert err.startswith("error: ") and err.count("\n") == 1 and expected in err
    assert sorted(p.name for p in folder.iterdir()) == before
    assert (folder / "old.mp4").read_bytes() == b"what stood before"


def test_a_damaged_directory_is_one_clear_line(folder: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(folder / "e", tmp_path / "e"))
    path = damaged / "stages" / "colour.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    code, _, err = emogene_run(folder, "speech.wav", "--engine-dir", damaged)
    assert code == 2 and "colour.onnx" in err and err.count("\n") == 1


def test_interrupted(folder: Path) -> None:
    (folder / "out.mp4").write_bytes(b"what stood before")
    soundfile.write(folder / "long.wav", np.tile(spoken(), 400), 16_000)
    names = {p.name for p in folder.iterdir()}
    process = start(folder, "long.wav", "--engine-dir", "e", "-o", "out.mp4", "--size", "256")
    eventually(lambda: {p.name for p in folder.iterdir()} != names)  # frames are being written
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in err
    assert {p.name for p in folder.iterdir()} == names
    assert (folder / "out.mp4").read_bytes() == b"what stood before"


def test_version_and_help() -> None:
    here = Path.cwd()
    assert emogene_run(here, "--version")[1].startswith(b"emogene ")
    code, out, _ = emogene_run(here, "--help")
    assert code == 0 and b"--engine-dir" in out and b"surprise" in out


def test_more_than_a_session_may_hold_is_refused_while_it_is_read() -> None:
    minute = np.broadcast_to(np.float32(0.0), (60 * 16_000,))  # of no size in memory
    read: list[int] = []

    def chunks() -> Iterator[np.ndarray]:
        for number in range(100):
            read.append(number)
            yield minute

    with pytest.raises(BadAudio, match=r"talk\.wav: expected at most 60 minutes.*cut it"):
        list(commands_run._within_the_limit(chunks(), "talk.wav"))
    assert len(read) == 61
