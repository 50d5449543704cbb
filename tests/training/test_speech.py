"""Synthetic speech: its phones stand where the sound is, and its sets do not overlap."""

from __future__ import annotations

import random

import numpy as np
import pytest

from emogene.contract.errors import BadOption, Failure
from emogene.training.demo.speech import flite
from emogene.training.demo.speech.corpus import (
    HELD_OUT_ESPEAK,
    HELD_OUT_FLITE,
    Corpus,
    CorpusConfig,
    build_corpus,
    speak,
)
from emogene.training.demo.speech.espeak import Espeak, EspeakVoice, EspeakWorker, Synthesis
from emogene.training.demo.speech.phones import (
    CONSONANTS,
    PHONES,
    SILENCE,
    VOWELS,
    PhoneSegment,
    feature_labels,
    from_espeak,
    from_flite,
    segments_from_onsets,
)
from emogene.training.demo.speech.sentences import sentences, vocabulary


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build_corpus(CorpusConfig(minutes=2.0, held_out_minutes=0.3, flite_share=0.0))


def phones_of(speech: Synthesis) -> list[str]:
    return [segment.phone for segment in speech.segments if segment.phone != SILENCE]


def energy(samples: np.ndarray, rate: int, segment: PhoneSegment) -> float:
    piece = samples[round(segment.start * rate) : round(segment.end * rate)]
    return float(np.square(piece).mean()) if len(piece) else 0.0


def test_there_are_39_phones_and_silence() -> None:
    assert len(PHONES) == 40 == 1 + len(VOWELS) + len(CONSONANTS)
    assert PHONES[0] == SILENCE


def test_a_sentence_has_the_phones_it_is_spelled_with() -> None:
    assert phones_of(Espeak().synthesize("Pam made a map.")) == (
        "P AE M M EY D AH M AE P".replace("M M", "M").split()
    )


def test_segments_cover_the_sound_and_silence_is_quiet() -> None:
    speech = Espeak().synthesize("Good morning, my friend. We may begin.")
    ends = [0.0, *(segment.end for segment in speech.segments)]
    starts = [*(segment.start for segment in speech.segments), ends[-1]]
    assert starts == ends
    assert ends[-1] == pytest.approx(len(speech.samples) / speech.rate)
    loud = np.mean([energy(speech.samples, speech.rate, s) for s in speech.segments
                    if s.phone in VOWELS])  # fmt: skip
    quiet = [energy(speech.samples, speech.rate, s) for s in speech.segments
             if s.phone == SILENCE and s.end - s.start > 0.1]  # fmt: skip
    assert quiet
    assert max(quiet) < 0.05 * loud


def test_the_worker_says_the_same_and_carries_errors() -> None:
    with EspeakWorker() as worker:
        assert phones_of(worker.synthesize("hello")) == phones_of(Espeak().synthesize("hello"))
        with pytest.raises(BadOption, match="nobody"):
            worker.synthesize("hello", EspeakVoice("nobody"))
        assert phones_of(worker.synthesize("map"))
    with pytest.raises(Failure, match="ended"):
        worker.synthesize("hello")
    worker.close()


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(BadOption, match="en-moon"):
        Espeak().synthesize("hello", EspeakVoice("en-moon"))


def test_espeak_names_with_stress_and_decoration_are_understood() -> None:
    assert [from_espeak(name) for name in ("'oU", ",aI2", "t#", "I2", "_:", "@L")] == (
        ["OW", "AY", "D", "IH", SILENCE, "L"]
    )
    with pytest.raises(KeyError, match=r"phones\.py"):
        from_espeak("¤")
    assert from_flite("ax") == "AH"


def test_segments_from_onsets_joins_clips_and_fills() -> None:
    segments = segments_from_onsets([(0.2, "P"), (0.3, "P"), (0.3, "AH"), (0.9, "M")], 0.8)
    assert segments == (
        PhoneSegment(SILENCE, 0.0, 0.2),
        PhoneSegment("P", 0.2, 0.3),
        PhoneSegment("AH", 0.3, 0.8),
    )


def test_labels_stand_at_the_centre_of_the_receptive_field() -> None:
    # Feature k covers samples 320 k … 320 k + 400, so its centre is 12.5 + 20 k milliseconds.
    labels = feature_labels((PhoneSegment("P", 0.030, 0.050),), 4)
    assert [PHONES[label] for label in labels] == [SILENCE, "P", SILENCE, SILENCE]


def test_sentences_are_seeded_distinct_and_cover_all_phones() -> None:
    assert sentences(50, 3) == sentences(50, 3) != sentences(50, 4)
    assert len(set(sentences(2000, 1))) == 2000
    assert len(vocabulary()) > 800
    said = " ".join(sentences(30, 5))
    words = said.lower().split()
    assert sum(any(letter in word for letter in "pbm") for word in words) > 0.3 * len(words)


def test_the_corpus_covers_every_phone_and_pauses(corpus: Corpus) -> None:
    assert sum(one.seconds for one in corpus.training) >= 120.0
    heard = {segment.phone for one in corpus.training for segment in one.segments}
    assert heard == set(PHONES)
    for one in corpus.training:
        assert one.samples.dtype == np.float32 and np.abs(one.samples).max() <= 1.0
        assert one.segments[0].phone == one.segments[-1].phone == SILENCE
        assert one.segments[-1].end == pytest.approx(one.seconds, abs=1e-4)


def test_evaluation_sets_share_neither_sentences_nor_voices(corpus: Corpus) -> None:
    texts = {one.text for one in corpus.training}
    assert not texts & {one.text for one in (*corpus.held_out, *corpus.held_out_voice)}
    assert not {one.voice for one in corpus.training} & {one.voice for one in corpus.held_out_voice}
    assert {one.voice for one in corpus.held_out_voice} <= {
        *(f"espeak:{name}" for name in HELD_OUT_ESPEAK),
        f"flite:{HELD_OUT_FLITE}",
    }


def test_evaluation_sets_do_not_depend_on_the_training_length(corpus: Corpus) -> None:
    shorter = build_corpus(CorpusConfig(minutes=0.1, held_out_minutes=0.3, flite_share=0.0))
    assert [one.voice for one in shorter.held_out] == [one.voice for one in corpus.held_out]


def test_a_phrase_without_sound_is_refused() -> None:
    with pytest.raises(Failure, match="en-us"):
        speak([","], EspeakVoice("en-us"), random.Random(0))


def test_flite_is_optional_and_its_absence_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert flite.voices() == ()
    with pytest.raises(Exception, match="no flite command"):
        flite.synthesize("hello")
