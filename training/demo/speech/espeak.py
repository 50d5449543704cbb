"""Speech with known phonemes from espeak-ng, by ctypes on the `espeakng-loader` wheel.

The C library keeps all its state in globals: one initialisation a process, one voice at a
time, no two callers at once. `Espeak` guards it with a lock; `EspeakWorker` gives it a process
of its own, for programs that must not share theirs with it.

espeak-ng is GPL-3: it makes training and test data and is never imported by the runtime.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....contract.closing import Closing
from ....contract.errors import BadOption, Failure, MissingExtra
from .phones import PhoneSegment, from_espeak, segments_from_onsets

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALISE_PHONEME_EVENTS = 0x0001
_INITIALISE_DONT_EXIT = 0x8000
_EVENT_LIST_END, _EVENT_PHONEME = 0, 7
_PARAMETER_RATE, _PARAMETER_PITCH, _PARAMETER_RANGE = 1, 3, 4
_POSITION_CHARACTER, _CHARS_UTF8 = 1, 1


class _EventId(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class EspeakVoice:
    """How a sentence is spoken."""

    name: str = "en-us"
    """Language and variant as espeak-ng names them: `en-us`, `en-gb-scotland+f3`, …"""
    words_per_minute: int = 165
    pitch: int = 50
    """Base pitch, 0…100 (50 is the voice's own)."""
    pitch_range: int = 50
    """Liveliness of the melody, 0…100 (0 is monotone)."""


@dataclass(frozen=True)
class Synthesis:
    """What a synthesizer returns."""

    samples: NDArray[np.float32]
    """(N,) within ±1."""
    rate: int
    """Samples a second."""
    segments: tuple[PhoneSegment, ...]
    """Phones in order, covering the samples without gaps."""


class Espeak:
    """The C library in this process. Instances are cheap; the library is loaded once."""

    _lock = threading.Lock()
    _library: ctypes.CDLL | None = None
    _rate = 0

    def __init__(self) -> None:
        with Espeak._lock:
            if Espeak._library is None:
                Espeak._library, Espeak._rate = _load()

    def synthesize(self, text: str, voice: EspeakVoice | None = None) -> Synthesis:
        """Speak `text`. Raises BadOption for an unknown voice, Failure for no sound."""
        voice = voice or EspeakVoice()
        blocks: list[NDArray[np.int16]] = []
        onsets: list[tuple[float, str]] = []

        def receive(wave: Any, count: int, events: Any) -> int:
            if count > 0:
                blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
            index = 0
            while events[index].type != _EVENT_LIST_END:
                event = events[index]
                if event.type == _EVENT_PHONEME:
                    # A C char array reads as bytes cut at the first zero.
                    name = bytes(event.id.string).decode("utf-8", "ignore")
                    onsets.append((event.sample / Espeak._rate, name))
                index += 1
            return 0

        library = Espeak._library
        assert library is not None
        with Espeak._lock:
            if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
                raise BadOption(
                    "espeak-ng voice",
                    expected="a language and variant such as en-us+f3",
                    found=repr(voice.name),
                )
            library.espeak_SetParameter(_PARAMETER_RATE, voice.words_per_minute, 0)
            library.espeak_SetParameter(_PARAMETER_PITCH, voice.pitch, 0)
            library.espeak_SetParameter(_PARAMETER_RANGE, voice.pitch_range, 0)
            # Whoever else initialised the library in this process may have turned events off.
            if hasattr(library, "espeak_ng_SetPhonemeEvents"):
                library.espeak_ng_SetPhonemeEvents(1, 0)
            callback = _Callback(receive)
            library.espeak_SetSynthCallback(callback)
            data = text.encode()
            library.espeak_Synth(
                data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
            )
            library.espeak_Synchronize()
        if not blocks:
            raise Failure("espeak-ng", expected="sound", found=f"none for {text!r}")
        samples = np.concatenate(blocks).astype(np.float32) / 32768.0
        phones = [(onset, from_espeak(name)) for onset, name in onsets if name]
        segments = segments_from_onsets(phones, len(samples) / Espeak._rate)
        return Synthesis(samples, Espeak._rate, segments)


class EspeakWorker(Closing):
    """`Espeak` in a process of its own; the same `synthesize`. Close it, or use `with`."""

    def __init__(self) -> None:
        # Spawn: a forked child would inherit a half-initialised library and held locks.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._lock = threading.Lock()

    def synthesize(self, text: str, voice: EspeakVoice | None = None) -> Synthesis:
        """As `Espeak.synthesize`; Failure also when the worker is gone."""
        with self._lock:
            try:
                self._pipe.send((text, voice))
                answer = self._pipe.recv()
            except (EOFError, OSError) as error:
                raise Failure("the espeak-ng worker has ended", remedy="open another") from error
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Synthesis)
        return answer

    def close(self) -> None:
        """End the worker; twice is fine."""
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection) -> None:
    while True:
        try:
            text, voice = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(Espeak().synthesize(text, voice))
        except Exception as error:  # carried to the caller, who raises it
            pipe.send(error)


def _load() -> tuple[ctypes.CDLL, int]:
    try:
        import espeakng_loader
    except ImportError as error:
        raise MissingExtra("espeakng_loader", "train", "speech synthesis") from error
    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    rate = library.espeak_Initialize(
        _AUDIO_OUTPUT_SYNCHRONOUS,
        300,  # milliseconds of sound a callback
        str(espeakng_loader.get_data_path()).encode(),
        _INITIALISE_PHONEME_EVENTS | _INITIALISE_DONT_EXIT,
    )
    if rate <= 0:
        raise Failure(
            "espeak-ng",
            expected=f"its data in {espeakng_loader.get_data_path()}",
            found=f"error {rate}",
            remedy="reinstall espeakng-loader",
        )
    return library, int(rate)
