"""The steps of a preparation that take time, each done once for the same input."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadInput
from ...contract.units import FRAMES_PER_SECOND
from . import video
from .calibration import Calibration, CalibrationSettings, Camera, calibrate
from .detector import GivenLandmarks, LandmarkSource, Sighting
from .generic_face import GENERIC_FACE, STEADINESS
from .ibug import ibug_points
from .rotations import similarity
from .sources import Source
from .speech import Encoder, hear
from .store import Arrays, Store, key_of, slug

Float64 = NDArray[np.float64]

LOOKED_AT = 960
"""Pictures are shrunk to this many pixels a side before the face is looked for."""

SMALLEST_FACE = 8.0
"""Pixels between the eyes; on smaller faces nothing can be told of the lips."""

VERSION = 1
"""Raise it when a step gives something else for the same input."""


@dataclass(frozen=True)
class Watched:
    """A recording whose face was found; `key` changes with everything that depends on."""

    source: Source
    facts: video.VideoFacts
    sighting: Sighting
    key: str


@dataclass(frozen=True)
class Head:
    """The head and camera of a group of recordings.

    Attributes:
        calibration: face at rest, camera.
        mesh: (478, 3) float64 head space, where MediaPipe found one.
        key: changes with everything they depend on.
    """

    calibration: Calibration
    mesh: Float64 | None
    key: str


@dataclass(frozen=True)
class Heard:
    """Features (2F, D) float16 and pitch bins (2F,) int32 of a recording, and their key."""

    features: NDArray[np.float16]
    pitch_bins: NDArray[np.int32]
    key: str


@dataclass(frozen=True)
class Steps:
    """Where results are kept, and who sees and hears."""

    store: Store
    detector: LandmarkSource
    encoder: Encoder
    focal: float | None = None
    """Focal length of the recordings in pixels, where it is known."""

    def watch(self, source: Source, shortest_s: float) -> Watched:
        """Find the face in a recording.

        Raises:
            BadInput: not a video, no sound, shorter than `shortest_s`, or no face in it.
        """
        item = slug(source.name)
        facts = video.probe(source.video)
        if source.audio is None and not facts.has_sound:
            raise BadInput(
                source.name,
                expected="a video with sound",
                found="no sound track, and no sound file of its name",
                remedy="add the sound it belongs to",
            )
        given = isinstance(self.detector, GivenLandmarks)
        key = key_of(
            version=VERSION,
            video=self.store.file_hash(source.video, item, "video"),
            detector=self.detector.identity,
            name=source.name if given else "",
            looked_at=LOOKED_AT,
        )

        def look() -> Arrays:
            largest = max(facts.width, facts.height)
            shrunk = 1.0 if given else max(1.0, largest / LOOKED_AT)
            pictures = video.frames(source.video, None if given else LOOKED_AT)
            sighting = self.detector.watch(source.name, pictures)
            shape = np.zeros((0, 3), np.float32) if sighting.shape is None else sighting.shape
            points = _faces(sighting.points * np.float32(shrunk))
            return {"points": points, "shape": shape, "crowd": np.array([sighting.crowd])}

        kept = self.store.once(item, "landmarks", key, look)
        points, shape = kept["points"], kept["shape"]
        if len(points) < shortest_s * FRAMES_PER_SECOND:
            raise BadInput(
                source.name,
                expected=f"at least {shortest_s:g} seconds",
                found=f"{len(points) / FRAMES_PER_SECOND:.2f}",
                remedy="use a longer recording",
            )
        if not np.isfinite(points).all((1, 2)).any():
            raise BadInput(
                source.name,
                expected="a face",
                found=f"none in {len(points)} frames",
                remedy="use a recording in which a face is large, lit and seen from the front",
            )
        sighting = Sighting(points, shape if len(shape) else None, int(kept["crowd"][0]))
        return Watched(source, facts, sighting, key)

    def calibrate(self, watched: list[Watched]) -> Head:
        """One face and camera of recordings that share them.

        Raises:
            BadInput: their landmarks are no face's, so that nothing can be fitted.
        """
        facts = watched[0].facts
        shapes = [w.sighting.shape for w in watched if w.sighting.shape is not None]
        mesh = np.mean(shapes, axis=0).astype(np.float64) if shapes else None
        prior = GENERIC_FACE if mesh is None else ibug_points(mesh)
        settings = CalibrationSettings(noise=self.detector.noise, focal=self.focal)
        key = key_of(version=VERSION, sightings=[w.key for w in watched], settings=asdict(settings))

        def fit() -> Arrays:
            points = np.concatenate([w.sighting.points for w in watched])
            seen = points[np.isfinite(points).all((1, 2))].astype(np.float64)
            try:
                found = calibrate(seen, facts.width, facts.height, prior, settings)
            except np.linalg.LinAlgError:
                raise BadInput(
                    watched[0].source.name,
                    expected="landmarks of a face",
                    found="points that fit no face at all",
                    remedy="check the landmarks' order and units",
                ) from None
            camera = found.camera
            lens = [camera.focal, camera.cx, camera.cy, found.focal_error, found.noise]
            return {"face": found.face, "lens": np.array(lens)}

        kept = self.store.once(slug(watched[0].source.group), "head", key, fit)
        focal, cx, cy, focal_error, noise = map(float, kept["lens"])
        if mesh is not None:
            scale, turn, shift = similarity(ibug_points(mesh), kept["face"], STEADINESS)
            mesh = scale * mesh @ turn.T + shift
        calibration = Calibration(kept["face"], Camera(focal, cx, cy), focal_error, noise)
        return Head(calibration, mesh, key)

    def listen(self, source: Source, frames: int) -> Heard:
        """What is heard while `frames` frames are shown; raises BadAudio without usable sound."""
        item = slug(source.name)
        key = key_of(
            version=VERSION,
            sound=self.store.file_hash(source.audio or source.video, item, "sound"),
            encoder=self.encoder.sha256,
            frames=frames,
        )

        def encode() -> dict[str, Any]:
            samples = video.sound(source.video, source.audio)
            features, bins = hear(self.encoder, samples, frames)
            return {"features": features.astype(np.float16), "pitch_bins": bins}

        kept = self.store.once(item, "speech", key, encode)
        return Heard(kept["features"], kept["pitch_bins"], key)


def _faces(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F, 68, 2) landmarks, NaN where they cannot be a face's that is worth looking at."""
    apart = points[:, 36:42].mean(1) - points[:, 42:48].mean(1)
    good = np.linalg.norm(apart, axis=1) >= SMALLEST_FACE
    good &= (np.abs(points) < 2 * video.LARGEST_SIDE).all((1, 2))
    return np.where(good[:, None, None], points, np.float32(np.nan))
