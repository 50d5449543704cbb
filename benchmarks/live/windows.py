"""Windows of a live session: how far faces move from the offline ones, and what hops cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emogene.contract.camera import Intrinsics
from emogene.contract.data import Float32
from emogene.contract.landmarks import LANDMARKS
from emogene.contract.units import FRAMES_PER_SECOND, SAMPLE_RATE, frames_of
from emogene.evaluation.landmarks import landmark_distance
from emogene.runtime.audio.store import SampleStore
from emogene.runtime.profiles import LIVE, OFFLINE, Profile
from emogene.runtime.speech.networks import SpeechNetworks
from emogene.runtime.speech.stream import StreamedSpeech
from emogene.runtime.speech.whole import WholeSpeech
from emogene.training.demo.head.camera import project
from emogene.training.demo.speech.corpus import CorpusConfig, build_corpus

from ..timing import Stopwatch

LEFTS, HOPS, LOOKAHEADS = (10, 25, 50, 100), (4, 8), (4, 8)
"""Frames that are tried, every one with the others of `LIVE`."""

SETTLED = FRAMES_PER_SECOND
"""Frames after which a stream knows how loud its speaker is."""


@dataclass(frozen=True)
class WindowsRow:
    """One choice of windows, over all utterances.

    Attributes:
        left, hop, lookahead, overlap: of the profile, frames.
        chosen: whether the ``live`` profile's are these.
        waits_ms: for a frame to be computable, from its first sample on: the mean over a hop's
            frames; and the look-ahead's own part of it.
        lookahead_ms: sound beyond a hop that it waits for.
        drift_px, mouth_px: mean distance of landmarks from the offline ones, pixels at 512².
        settled_px: of all landmarks, after the first second of an utterance.
        p95_px: of frames' mean distances.
        core_ms: processor time a frame: encoder, pitch, audio to motion, voice activity.
    """

    left: int
    hop: int
    lookahead: int
    overlap: int
    chosen: bool
    waits_ms: float
    lookahead_ms: float
    drift_px: float
    mouth_px: float
    settled_px: float
    p95_px: float
    core_ms: float


def utterances(minutes: float) -> list[Float32]:
    """Sentences of voices that training never heard, as they are."""
    corpus = build_corpus(CorpusConfig(minutes=0.01, held_out_minutes=minutes))
    return [one.samples for one in corpus.held_out_voice]


def tried() -> Iterator[Profile]:
    """`LIVE`, and what differs from it in one or more of its windows."""
    seen = []
    for left in LEFTS:
        for hop in HOPS:
            for lookahead in LOOKAHEADS:
                seen.append(replace(LIVE, left=left, hop=hop, lookahead=lookahead))
    for overlap in (8, 32):
        seen.append(replace(LIVE, overlap=overlap))
    if LIVE not in seen:
        yield LIVE
    yield from seen


def measure_windows(
    networks: SpeechNetworks,
    samples: Sequence[Float32],
    pose: Float32,
    camera: Intrinsics,
    profiles: Sequence[Profile],
) -> list[WindowsRow]:
    """Say every utterance with every profile, and compare with `OFFLINE`.

    Args:
        pose: (3, 4) from which the faces are seen.
    """
    whole = [_said(networks, one, OFFLINE) for one in samples]
    rows = []
    for profile in profiles:
        watch = Stopwatch()
        with watch:
            live = [_said(networks, one, profile) for one in samples]
        pairs = [(_seen(a, pose, camera), _seen(b, pose, camera)) for a, b in zip(live, whole)]  # noqa: B905
        everything = landmark_distance(*_joined(pairs, 0), camera.size)
        apart = [np.linalg.norm(a - b, axis=-1).mean(-1) for a, b in pairs]
        beyond = networks.overhang / SAMPLE_RATE
        hop, lookahead = (x / FRAMES_PER_SECOND for x in (profile.hop, profile.lookahead or 0))
        rows.append(
            WindowsRow(
                profile.left,
                profile.hop,
                profile.lookahead or 0,
                profile.overlap,
                profile == LIVE,
                waits_ms=1e3 * (0.5 * (hop + 1 / FRAMES_PER_SECOND) + lookahead + beyond),
                lookahead_ms=1e3 * (lookahead + beyond),
                drift_px=everything.pixels,
                mouth_px=everything.mouth,
                settled_px=landmark_distance(*_joined(pairs, SETTLED), camera.size).pixels,
                p95_px=float(np.percentile(np.concatenate(apart), 95)) * 512 / camera.size,
                core_ms=1e3 * watch.seconds / sum(map(len, whole)),
            )
        )
    return rows


def _said(networks: SpeechNetworks, samples: Float32, profile: Profile) -> Float32:
    """(F, 204) neutral landmarks of one utterance."""
    store = SampleStore()
    store.push(samples)
    kind = WholeSpeech if profile.lookahead is None else StreamedSpeech
    speech = kind(networks, store, profile, first_latent=0, seed=0)
    count = frames_of(len(samples))
    own = min(count, speech.frames)
    hops = [speech.hop(k)[: profile.hop] for k in range(-(-own // profile.hop))]
    return np.concatenate(hops)[np.minimum(np.arange(count), own - 1)]


def _seen(landmarks: Float32, pose: Float32, camera: Intrinsics) -> Float32:
    return project(landmarks.reshape(-1, LANDMARKS, 3), pose, camera)[..., :2].astype(np.float32)


def _joined(pairs: Sequence[tuple[Float32, Float32]], first: int) -> tuple[Float32, Float32]:
    live, whole = (np.concatenate([side[first:] for side in sides]) for sides in zip(*pairs))  # noqa: B905
    return live, whole
