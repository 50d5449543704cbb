"""The 39 phones of North American English and silence, and how synthesizers name them.

Names are ARPAbet without stress. Index 0 is silence; the order is the order of the phone
classifier's outputs and must not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def listed(words: str) -> tuple[str, ...]:
    """The words of a text, for long tables that stay readable."""
    return tuple(words.split())


SILENCE = "sil"
VOWELS = listed("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW")
CONSONANTS = listed("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH")
PHONES: tuple[str, ...] = (SILENCE, *VOWELS, *CONSONANTS)
PHONE_INDEX = {phone: index for index, phone in enumerate(PHONES)}

FEATURE_RATE = 50
FEATURE_CENTRE_S = 200 / 16_000
"""Centre of the first HuBERT frame: its receptive field covers samples 0…399."""


@dataclass(frozen=True)
class PhoneSegment:
    """A phone and the time it is heard, in seconds from the utterance's first sample."""

    phone: str
    start: float
    end: float


# espeak-ng phoneme mnemonics (voices of English) → ARPAbet.
_ESPEAK = {
    name: phone
    for phone, names in {
        SILENCE: "_ _: _| _! ?",
        "P": "p",
        "B": "b",
        "M": "m m-",
        "F": "f",
        "V": "v",
        "TH": "T",
        "DH": "D D2",
        "T": "t t2",
        "D": "d t#",
        "N": "n n-",
        "L": "l l/ l^ @L",
        "S": "s",
        "Z": "z",
        "SH": "S",
        "ZH": "Z",
        "CH": "tS",
        "JH": "dZ",
        "K": "k x",
        "G": "g",
        "NG": "N",
        "HH": "h",
        "R": "r r-",
        "W": "w",
        "Y": "j",
        "AA": "A: A A@ 0",
        "AO": "O O: O@ o@ O2 aa",
        "AE": "a",
        "AH": "V @ @2 @5 a#",
        "EH": "E E2 e@",
        "ER": "3: 3 @r VR IR",
        "IH": "I I2 I#",
        "IY": "i i: i@ i@3",
        "UH": "U U@",
        "UW": "u u:",
        "AY": "aI aI2 aI@ aI3",
        "AW": "aU aU@",
        "EY": "eI e e:",
        "OW": "oU o oU#",
        "OY": "OI",
    }.items()
    for name in names.split()
}
_FLITE = {"pau": SILENCE, "ax": "AH", "axr": "ER"}


def from_espeak(name: str) -> str:
    """ARPAbet phone of an espeak-ng phoneme mnemonic.

    The library prefixes stress marks, and voices decorate mnemonics with digits, '#' and '-';
    undecorated and shortened forms are looked up before giving up. Raises KeyError for a
    mnemonic that no rule covers.
    """
    name = name.lstrip("',%=|;") or "_"
    for candidate in (name, name.rstrip("#23456789-"), name[:2], name[:1]):
        if candidate in _ESPEAK:
            return _ESPEAK[candidate]
    raise KeyError(f"no phone for the espeak-ng phoneme {name!r}; add it to phones.py")


def from_flite(name: str) -> str:
    """ARPAbet phone of a flite phone name. Raises KeyError for an unknown one."""
    phone = _FLITE.get(name, name.upper())
    if phone not in PHONE_INDEX:
        raise KeyError(f"no phone for the flite phone {name!r}; add it to phones.py")
    return phone


def segments_from_onsets(
    onsets: Sequence[tuple[float, str]], end: float
) -> tuple[PhoneSegment, ...]:
    """Segments from (onset in seconds, phone) in order, each lasting until the next one.

    The time before the first onset is silence; equal neighbours are joined; segments are
    clipped to [0, end] and cover it without gaps.
    """
    joined: list[tuple[float, str]] = [(0.0, SILENCE)]
    for onset, phone in onsets:
        start = min(max(onset, joined[-1][0]), end)
        if start == joined[-1][0]:
            joined[-1] = (start, phone)
        elif phone != joined[-1][1]:
            joined.append((start, phone))
    ends = [start for start, _ in joined[1:]] + [end]
    return tuple(
        PhoneSegment(phone, start, stop)
        for (start, phone), stop in zip(joined, ends, strict=True)
        if stop > start
    )


def feature_labels(segments: Iterable[PhoneSegment], frames: int) -> NDArray[np.int64]:
    """Phone index at the centre of each of `frames` 50 Hz HuBERT frames: (frames,) int64.

    Frames beyond the last segment are silence.
    """
    centres = FEATURE_CENTRE_S + np.arange(frames) / FEATURE_RATE
    labels = np.zeros(frames, np.int64)
    for segment in segments:
        first, last = np.searchsorted(centres, (segment.start, segment.end))
        labels[first:last] = PHONE_INDEX[segment.phone]
    return labels
