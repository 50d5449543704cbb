"""Real speech for tests, synthesised on the spot by eSpeak NG (the `espeakng-loader` wheel).

eSpeak is a tool of the tests only; nothing of it is shipped or imported by the package.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody in the room was surprised."

_RATE = 16_000
_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    import espeakng_loader  # type: ignore[import-untyped]

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, data, 0)
    if rate <= 0:
        raise RuntimeError(f"eSpeak NG did not start with the data in {data!r}")
    return library, rate


def _collect(text: str, voice: str) -> NDArray[np.int16]:
    library, _ = _library()
    pieces: list[NDArray[np.int16]] = []

    def take(wave: ctypes._Pointer[ctypes.c_short], count: int, _events: object) -> int:
        if wave and count > 0:
            pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    callback: Callable[..., int] = _Callback(take)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"eSpeak NG has no voice {voice!r}")
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
    library.espeak_Synchronize()
    return np.concatenate(pieces)


@cache
def _spoken(text: str, voice: str) -> NDArray[np.float32]:
    # A process of its own: what eSpeak says depends on what it has said before.
    made = subprocess.run([sys.executable, __file__, text, voice], capture_output=True, check=True)
    rate, samples = np.frombuffer(made.stdout[:4], "<i4")[0], np.frombuffer(made.stdout[4:], "<i2")
    resampled: NDArray[np.float32] = soxr.resample(
        samples.astype(np.float32) / 32768, float(rate), _RATE, quality="HQ"
    )
    resampled.flags.writeable = False  # shared by every caller of the cache
    return resampled


def spoken(text: str = SENTENCE, voice: str = "en-us") -> NDArray[np.float32]:
    """``text`` read aloud: (n,) float32 mono at 16 kHz in [-1, 1].

    The same call gives the same samples, computed once a process. ``voice`` is an eSpeak voice
    name; "en-us+f3" is a woman's, "en-us+m3" another man's.
    """
    samples: NDArray[np.float32] = _spoken(text, voice).copy()
    return samples


if __name__ == "__main__":
    said = _collect(*sys.argv[1:])
    sys.stdout.buffer.write(np.int32(_library()[1]).tobytes() + said.astype("<i2").tobytes())
