"""Held-out material is held out, comes back from its cache, and its parts belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emogene.contract.errors import BadOption
from emogene.evaluation.material import RUN, Material, MaterialConfig
from emogene.training.demo.recipe import DemoConfig
from emogene.training.demo.speech.corpus import HELD_OUT_ESPEAK, HELD_OUT_FLITE
from emogene.training.demo.speech.sentences import sentences
from emogene.training.vae_data import mouth_of

from .conftest import LITTLE


def test_film_shows_runs_of_neighbouring_frames(material: Material) -> None:
    film = material.film
    assert len(film) == LITTLE.frames == RUN * len(material.takes)
    for take in material.takes:
        steps = np.diff(film.landmarks[take.start : take.start + RUN], axis=0)
        assert 0 < np.abs(steps).max() < 0.2
        length = len(mouth_of(material.corpus.held_out[take.utterance]))
        assert take.first + RUN <= length


def test_a_second_time_comes_from_the_cache_and_is_the_same(
    material: Material, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = material.film, material.corpus
    monkeypatch.setattr("emogene.evaluation.material.build_corpus", None)
    monkeypatch.setattr("emogene.evaluation.material.filming.film", None)
    again = Material(LITTLE, cache)
    assert (again.film.images == made[0].images).all()
    assert again.takes == material.takes
    for one, other in zip(again.corpus.held_out, made[1].held_out, strict=True):
        assert (one.samples == other.samples).all()
        assert (one.segments, one.text, one.voice) == (other.segments, other.text, other.voice)


def test_sentences_are_not_those_of_training(material: Material) -> None:
    seen = set(sentences(8000, DemoConfig().corpus.seed))
    ours = sentences(8000, MaterialConfig().seed)
    assert not seen & set(ours)


def test_unheard_voices_are_never_training_voices(material: Material) -> None:
    unheard = {f"espeak:{name}" for name in HELD_OUT_ESPEAK} | {f"flite:{HELD_OUT_FLITE}"}
    assert {one.voice for one in material.corpus.held_out_voice} <= unheard
    known = material.corpus.training + material.corpus.held_out
    assert not {one.voice for one in known} & unheard


@pytest.mark.parametrize(
    ("option", "value"), [("frames", 5), ("size", 8), ("minutes", 0.0), ("minutes", float("nan"))]
)
def test_too_little_is_refused(option: str, value: float) -> None:
    with pytest.raises(BadOption, match=f"--{option}: expected"):
        MaterialConfig(**{option: value})
