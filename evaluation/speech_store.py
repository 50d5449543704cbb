"""Utterances on disk. espeak-ng says a sentence a little differently the second time in a process,
so what a film was made from is kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..training.demo.speech.corpus import Corpus, Utterance
from ..training.demo.speech.phones import PHONE_INDEX, PHONES, PhoneSegment

_SETS = ("training", "held_out", "held_out_voice")
_KINDS = ("samples", "lengths", "segments", "counts", "texts", "voices")


def save_corpus(path: Path, corpus: Corpus) -> None:
    """Write an .npz, whole or not at all."""
    arrays = {}
    for name in _SETS:
        for kind, array in _packed(getattr(corpus, name)).items():
            arrays[f"{name}.{kind}"] = array
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.stem + ".partial.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def load_corpus(path: Path) -> Corpus:
    """Read what `save_corpus` wrote."""
    with np.load(path, allow_pickle=False) as saved:
        return Corpus(*(_unpacked({k: saved[f"{name}.{k}"] for k in _KINDS}) for name in _SETS))


def _packed(utterances: Sequence[Utterance]) -> dict[str, np.ndarray]:
    segments = [(PHONE_INDEX[s.phone], s.start, s.end) for one in utterances for s in one.segments]
    return {
        "samples": np.concatenate([np.zeros(0, np.float32), *(one.samples for one in utterances)]),
        "lengths": np.array([len(one.samples) for one in utterances], np.int64),
        "segments": np.array(segments, np.float64).reshape(-1, 3),
        "counts": np.array([len(one.segments) for one in utterances], np.int64),
        "texts": np.array([one.text for one in utterances], np.str_),
        "voices": np.array([one.voice for one in utterances], np.str_),
    }


def _unpacked(packed: dict[str, np.ndarray]) -> tuple[Utterance, ...]:
    samples = np.split(packed["samples"], np.cumsum(packed["lengths"])[:-1])
    segments = np.split(packed["segments"], np.cumsum(packed["counts"])[:-1])
    return tuple(
        Utterance(
            heard,
            tuple(PhoneSegment(PHONES[int(phone)], start, end) for phone, start, end in rows),
            str(text),
            str(voice),
        )
        for heard, rows, text, voice in zip(
            samples, segments, packed["texts"], packed["voices"], strict=True
        )
    )
