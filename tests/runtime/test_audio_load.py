"""Audio in: every format, rate and cut; and refusals that say what to do."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from emogene.contract.errors import BadAudio, BadOption
from emogene.runtime.audio.load import as_chunks, load
from emogene.runtime.audio.normalise import normalise
from emogene.runtime.audio.resample import Resampler
from tests.speech import spoken

FFMPEG = {"m4a": ("ipod", "aac"), "mka": ("matroska", "aac"), "webm": ("webm", "libopus")}
LIBSNDFILE = ["wav", "flac", "ogg", "mp3", "aiff"]


def write_with_av(path: Path, sound: np.ndarray, rate: int, form: str, codec: str) -> None:
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        for start in range(0, len(sound), 1000):
            part = np.ascontiguousarray(sound[start : start + 1000].T, np.float32)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def lag_and_likeness(found: np.ndarray, truth: np.ndarray) -> tuple[int, float]:
    size = 1 << (len(found) + len(truth)).bit_length()
    product = np.fft.rfft(found, size) * np.conj(np.fft.rfft(truth, size))
    correlation = np.fft.irfft(product, size)
    lag = int(correlation.argmax())
    likeness = correlation[lag] / (np.linalg.norm(found) * np.linalg.norm(truth))
    return (lag if lag < size // 2 else lag - size), float(likeness)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("ending", LIBSNDFILE + list(FFMPEG))
def test_every_format_and_rate_becomes_the_same_speech(tmp_path, ending, rate):
    if ending == "webm" and rate == 44_100:
        rate = 24_000  # Opus knows no 44.1 kHz
    speech = spoken()[: 2 * 16_000]
    original = soxr.resample(speech, 16_000, rate)
    stereo = np.stack([original * 1.2, original * 0.8], axis=1)
    path = tmp_path / f"speech.{ending}"
    if ending in FFMPEG:
        write_with_av(path, stereo, rate, *FFMPEG[ending])
    else:
        soundfile.write(path, stereo, rate)
    found = load(path)
    assert found.dtype == np.float32 and found.ndim == 1
    # Codecs fill up their last packet, nothing more.
    assert -2 <= len(found) - len(speech) <= 2048 * 16_000 // rate
    truth = soxr.resample(original, rate, 16_000)
    lag, likeness = lag_and_likeness(found, truth)
    assert abs(lag) <= 1 and likeness > 0.98
    assert np.array_equal(load(path.read_bytes()), found)


def test_wav_at_16_khz_comes_through_untouched(tmp_path):
    samples = spoken()[:5000]
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    assert np.array_equal(load(tmp_path / "a.wav"), samples)
    assert np.array_equal(load(str(tmp_path / "a.wav")), samples)


def test_the_sound_of_a_video_is_read(tmp_path):
    from emogene.contract.data import Frame
    from emogene.runtime.video import Mp4Writer

    speech = spoken()[: 25 * 640]
    with Mp4Writer(tmp_path / "a.mp4", (16, 16)) as writer:
        for k, sound in enumerate(speech.reshape(25, 640)):
            writer.write(Frame(np.zeros((16, 16, 3), np.uint8), k, sound, False, "sad"))
    lag, likeness = lag_and_likeness(load(tmp_path / "a.mp4"), speech)
    assert lag == 0 and likeness > 0.99


def test_raw_samples():
    speech = spoken()[:8000]
    integers = np.round(speech * 32767).astype(np.int16)
    assert np.array_equal(load(speech), speech)
    assert np.allclose(load(integers), speech, atol=1 / 16_000)
    assert np.array_equal(load(speech.astype(np.float64)), speech)
    assert np.array_equal(load([integers[:100], integers[100:]]), load(integers))
    up = soxr.resample(speech, 16_000, 48_000)
    lag, likeness = lag_and_likeness(load(up, rate=48_000), speech)
    assert lag == 0 and likeness > 0.999
    assert load(np.array([0.5], np.float32)).tolist() == [0.5]
    assert load(np.zeros(3200, np.float32)).shape == (3200,)
    assert len(load(np.ones(1, np.float32), rate=8000)) == 2


@settings(max_examples=20)
@given(
    st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    st.lists(st.integers(0, 20_000), max_size=10),
)
def test_any_cut_resamples_to_the_same(rate, cuts):
    sound = spoken()[:20_000]
    parts = np.split(sound, sorted(cuts))
    assert np.array_equal(load(parts, rate=rate), load(sound, rate=rate))
    assert abs(len(load(sound, rate=rate)) - len(sound) * 16_000 / rate) <= 1


def test_resampling_keeps_tones_and_drops_what_16_khz_cannot_hold():
    time = np.arange(48_000) / 48_000
    kept = load(np.sin(2 * np.pi * 3000 * time).astype(np.float32), rate=48_000)
    expected = np.sin(2 * np.pi * 3000 * np.arange(16_000) / 16_000)
    assert np.abs(kept - expected)[500:-500].max() < 1e-3
    gone = load(np.sin(2 * np.pi * 9000 * time).astype(np.float32), rate=48_000)
    assert np.abs(gone)[500:-500].max() < 1e-3


def test_a_live_source_is_passed_on_while_it_runs():
    pulled = []

    def microphone():
        for k in range(100):
            pulled.append(k)
            yield np.zeros(480, np.float32)

    chunks = as_chunks(microphone(), rate=48_000)
    assert pulled == []
    next(chunks)
    assert len(pulled) < 10


def test_normalise_is_the_feature_extractors():
    samples = spoken()[:20_000] * np.float32(0.3) + np.float32(0.1)
    out = normalise(samples)
    assert out.dtype == np.float32
    assert abs(out.mean()) < 1e-5 and abs(out.var() - 1) < 1e-3
    assert not normalise(np.full(100, 0.5, np.float32)).any()
    assert normalise(np.zeros(0, np.float32)).shape == (0,)
    # (x - mean) / sqrt(var + 1e-7), by hand: mean 0, var 1e-8.
    tiny = normalise(np.array([1e-4, -1e-4], np.float32))
    assert np.allclose(tiny, [1e-4 / np.sqrt(1.1e-7), -1e-4 / np.sqrt(1.1e-7)], rtol=1e-5)


def test_normalise_agrees_with_transformers():
    transformers = pytest.importorskip("transformers")
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    samples = spoken()[:20_000]
    theirs = extractor(samples, sampling_rate=16_000, return_tensors="np").input_values[0]
    assert np.allclose(normalise(samples), theirs, atol=1e-5)


def damaged(tmp_path: Path, ending: str, keep: float) -> Path:
    whole = tmp_path / f"whole.{ending}"
    if ending in FFMPEG:
        stereo = np.stack([spoken(), spoken()], axis=1)
        write_with_av(whole, stereo, 16_000, *FFMPEG[ending])
    else:
        soundfile.write(whole, spoken(), 16_000)
    cut = tmp_path / f"cut.{ending}"
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * keep)])
    return cut


@pytest.mark.parametrize("ending", ["mp3", "wav", "mka"])
def test_of_a_truncated_file_the_beginning_is_used(tmp_path, ending):
    found = load(damaged(tmp_path, ending, 0.5))
    assert 0.3 < len(found) / len(spoken()) < 0.7
    assert lag_and_likeness(found, spoken()[: len(found)])[1] > 0.95


@pytest.mark.parametrize(("ending", "keep"), [("mp3", 0.005), ("m4a", 0.5), ("flac", 0.0005)])
def test_a_truncated_file_without_any_sample_is_refused(tmp_path, ending, keep):
    with pytest.raises(BadAudio, match=r"cut\..*expected .*found .* — "):
        load(damaged(tmp_path, ending, keep))


def refused(source: object, *, rate: int | None = None) -> str:
    with pytest.raises(BadAudio) as caught:
        load(source, rate=rate)  # type: ignore[arg-type]
    assert caught.value.remedy, "a refusal says what to do"
    return str(caught.value)


def test_files_that_are_none(tmp_path):
    assert "no such file" in refused(tmp_path / "none.wav")
    assert "a directory" in refused(tmp_path)
    assert "zero in it" in refused("a\0b.wav")
    (tmp_path / "empty.wav").touch()
    assert "an empty file" in refused(tmp_path / "empty.wav")
    (tmp_path / "notes.wav").write_text("not audio " * 100)
    assert "notes.wav" in refused(tmp_path / "notes.wav")
    (tmp_path / "a.raw").write_bytes(bytes(1000))
    assert "a.raw" in refused(tmp_path / "a.raw")
    random = np.random.default_rng(0).integers(0, 256, 10_000, np.uint8).tobytes()
    assert "10000 bytes" in refused(random)
    assert "found nothing" in refused(b"")
    soundfile.write(tmp_path / "no.wav", np.zeros(0, np.float32), 16_000)
    assert "at least one sample" in refused(tmp_path / "no.wav")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", spoken(), 16_000)
    (tmp_path / "a.wav").chmod(0)
    assert "permission" in refused(tmp_path / "a.wav")


def test_a_picture_has_no_sound(tmp_path):
    from emogene.runtime.png import encode_png

    (tmp_path / "a.png").write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))
    assert "without a sound track" in refused(tmp_path / "a.png")


def test_samples_that_are_none():
    good = np.zeros(100, np.float32)
    assert "shape (10, 2)" in refused(np.zeros((10, 2), np.float32))
    assert "shape ()" in refused(np.array(1.0))
    assert "int32" in refused(np.zeros(10, np.int32))
    assert "complex64" in refused(np.zeros(10, np.complex64))
    assert "at least one sample" in refused(np.zeros(0, np.float32))
    assert "at least one sample" in refused([])
    assert "at least one sample" in refused([good[:0], good[:0]])
    assert "found int" in refused(5)
    assert "found float" in refused([0.1, 0.2])
    assert "32768" in refused(np.full(10, 20_000, np.float32))
    assert "0 Hz" in refused(good, rate=0)
    assert "-16000 Hz" in refused(good, rate=-16_000)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_bad_sample_is_named(tmp_path, bad):
    samples = spoken().copy()
    samples[1234] = bad
    assert f"{bad} at sample 1234" in refused(samples)
    assert "at sample 1234" in refused([samples[:1000], samples[1000:]])
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    assert "at sample 1234" in refused(tmp_path / "a.wav")


def test_a_rate_beside_a_file_is_a_mistake(tmp_path):
    soundfile.write(tmp_path / "a.wav", spoken(), 16_000)
    with pytest.raises(BadOption, match="leave it out"):
        load(tmp_path / "a.wav", rate=16_000)


def test_a_bad_source_is_refused_before_the_first_chunk_is_asked_for(tmp_path):
    with pytest.raises(BadAudio):
        as_chunks(tmp_path / "none.wav")
    with pytest.raises(BadAudio):
        as_chunks(np.zeros((2, 2), np.float32))


def test_a_pass_through_keeps_chunks_as_they_are():
    resampler = Resampler(16_000)
    chunk = spoken()[:100]
    assert np.array_equal(resampler.push(chunk), chunk)
    assert len(resampler.flush()) == 0


def test_pyav_is_not_loaded_for_a_wav():
    code = (
        "import sys, io, numpy, soundfile\n"
        "from emogene.runtime.audio.load import load\n"
        "file = io.BytesIO()\n"
        "soundfile.write(file, numpy.zeros(100), 8000, format='WAV')\n"
        "assert load(file.getvalue()).shape == (200,)\n"
        "assert 'av' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_iterable_may_be_a_file_read_block_by_block():
    file = io.BytesIO()
    soundfile.write(file, spoken(), 44_100, format="WAV")
    file.seek(0)
    whole, rate = soundfile.read(file, dtype="float32")
    file.seek(0)
    blocks = soundfile.blocks(file, 1000, dtype="float32")
    assert np.array_equal(load(blocks, rate=rate), load(whole, rate=rate))
