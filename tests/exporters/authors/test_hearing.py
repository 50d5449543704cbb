"""Speech of an imported avatar, from samples to landmarks, against the published inference."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import HubertModel, Wav2Vec2FeatureExtractor

from emogene.contract.hearing import OWN_HEARING, PUBLISHED_HEARING, HearingSpec
from emogene.contract.measure import relative_l2
from emogene.exporters.authors.dataset import load_dataset
from emogene.exporters.authors.face_model import load_face_model
from emogene.reference.avatar import ReferenceAvatar
from emogene.runtime.audio.normalise import normalise
from emogene.runtime.loading import Loaded, load_engine_directory
from emogene.runtime.noise import latent_noise
from emogene.runtime.profiles import OFFLINE
from emogene.runtime.speech.landmarks import UtteranceLandmarks
from emogene.runtime.speech.networks import SpeechNetworks
from tests.oracle import hearing
from tests.oracle.sequences import audio_to_motion
from tests.speech import spoken

from .checkpoints import Folders
from .stage_distances import published_tensors

Float64 = NDArray[np.float64]

SEED = 7


def published_displacements(folders: Folders, samples: Float64, noise: Float64) -> Float64:
    """(F, 204) away from the face at rest: extraction, HuBERT and audio-to-motion in float64."""
    encoder = HubertModel.from_pretrained(folders.hubert).double().eval()
    scaled = torch.from_numpy(hearing.normalised(samples))
    with torch.no_grad():
        heard = [
            encoder(scaled[None, first:end]).last_hidden_state[0].numpy()
            for first, end in hearing.clips(len(samples))
        ]
    count = hearing.feature_count(len(samples))
    bins = hearing.pitch_bins(samples)
    tensors = published_tensors(folders.a2m)
    motion = audio_to_motion(tensors, np.concatenate(heard)[:count], bins, noise)
    moved: Float64 = motion @ load_face_model(folders.bfm).expression.T
    return moved


def test_samples_become_the_published_landmarks(folders: Folders, imported_engines: Path) -> None:
    # One clip of 20 s, and a second whose last features fill no latent.
    sentence = spoken(voice="en-us+f3")
    said = np.resize(sentence, 21 * 16_000 + 1_111).astype(np.float64)
    samples = np.round(said * 32768) / 32768
    latents = hearing.feature_count(len(samples)) // 8
    noise = 0.2 * latent_noise(SEED, 0, latents, 16)[0].astype(np.float64)
    expected = published_displacements(folders, samples, noise)
    face, dataset = load_face_model(folders.bfm), load_dataset(folders.dataset)
    rest = face.mean + face.identity @ dataset.identity[0]
    loaded = load_engine_directory(imported_engines, 1)

    def distance(spec: HearingSpec) -> float:
        return _distance(loaded, spec, samples.astype(np.float32), rest, expected)

    with closing(loaded):
        assert loaded.manifest.hearing == PUBLISHED_HEARING
        assert distance(PUBLISHED_HEARING) <= 1e-5
        # Heard as our own networks are, the same networks give another face.
        assert distance(OWN_HEARING) > 1e-2


def _distance(
    loaded: Loaded, spec: HearingSpec, samples: NDArray[np.float32], rest: Float64, other: Float64
) -> float:
    plain = SpeechNetworks.of(loaded.manifest, loaded.runners)
    networks = SpeechNetworks(plain.hubert, plain.audio_to_motion, plain.latent_width, spec)
    made = UtteranceLandmarks(networks, samples, OFFLINE, first_latent=0, seed=SEED)
    hops = [made.hop(k) for k in range(-(-made.frames // OFFLINE.hop))]
    return relative_l2(np.concatenate(hops)[: len(other)] - rest, other)


def test_loudness_is_that_of_the_published_feature_extractor() -> None:
    samples = np.resize(spoken(), 30 * 16_000).astype(np.float64) + 0.01
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    expected = extractor(samples, sampling_rate=16_000, return_tensors="np").input_values[0]
    assert relative_l2(normalise(samples.astype(np.float32)), expected) < 1e-6


def test_the_import_says_how_its_networks_hear(imported: ReferenceAvatar) -> None:
    assert imported.card.hearing == PUBLISHED_HEARING
