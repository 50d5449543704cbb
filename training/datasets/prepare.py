"""From recordings to a prepared data set, one group of recordings (one head, one camera) at a time.

Each step is kept under DATA/work with a key of all it depends on, so that a run that was stopped
goes on, and a run with another option does again only what depends on it. A recording that cannot
be used is left out and named, with the reason, in DATA/report.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...contract.errors import BadInput, BadOutput
from ...contract.landmarks import FLAT
from ...contract.units import FEATURES_PER_FRAME
from ..files import write_atomically
from ..progress import Report as ReportProgress
from .clips import CLIPS, ClipEntry, entries_of, write_manifest, write_shard
from .crop import still_square
from .cutting import cut
from .detector import GivenLandmarks, MediaPipe
from .film import choose_frames, write_film
from .head_track import HeadTrack, track_head
from .persons import MaskVideos, PersonSource, Segmentation
from .sources import Source, recordings_apart
from .speech import open_encoder
from .steps import VERSION, Head, Steps, Watched
from .store import Store, key_of, slug
from .surface import HeadSurface

REPORT = "report.json"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Preparation:
    """What is made of the recordings.

    Attributes:
        kind: "video", "mead" or "voxceleb2", for the manifest.
        hubert: the speech encoder: a folder or a name on the hub.
        landmarks: landmarks brought along, in place of MediaPipe's.
        masks: person masks brought along, in place of MediaPipe's.
        focal: focal length of the recordings in pixels, where it is known.
        film_of: identity whose recordings become a film; None for no film.
        film_frames: frames of both films together, at most about this many.
        size: width and height of the film's pictures.
        shortest_s: recordings and clips shorter than this are left out, seconds.
    """

    kind: str
    hubert: str
    landmarks: Path | None = None
    masks: Path | None = None
    focal: float | None = None
    film_of: str | None = None
    film_frames: int = 2000
    size: int = 512
    shortest_s: float = 1.0


@dataclass
class Report:
    """What became of the recordings; written as DATA/report.json."""

    skipped: list[dict[str, str]] = field(default_factory=list)
    recordings: list[dict[str, Any]] = field(default_factory=list)
    film: dict[str, Any] = field(default_factory=dict)


def prepare(
    sources: Sequence[Source], data: Path, plan: Preparation, progress: ReportProgress
) -> tuple[list[ClipEntry], Report]:
    """Prepare `sources` into the folder `data`; returns all its clips and this run's report.

    Clips of identities that are not among `sources` stay, if their features are the encoder's.

    Raises:
        BadInput: no recording could be used, and the first one's reason is named; or no film can
            be made of them.
        Unavailable, Failure: the machine lacks something, or we failed.

    Whatever is raised, the clips that are done stay and stand in the manifest.
    """
    ordered = sorted(sources, key=lambda source: (source.group, source.name))
    with ExitStack() as stack:
        workshop = _Workshop(data, plan, progress, len(ordered), stack)
        covered: set[str] = set()
        try:
            for _, group in groupby(ordered, lambda source: source.group):
                workshop.take_in(list(group))
            covered = {source.identity for source in ordered}
        finally:
            entries = workshop.write_down(covered)
    if not workshop.entries:
        reasons = workshop.report.skipped
        more = f"; all {len(reasons)} recordings were left out" if len(reasons) > 1 else ""
        raise BadInput(f"{reasons[0]['reason']}{more} (see {data / REPORT})")
    _remove_others(data, entries)
    progress(plan.kind, 1.0, "")
    if workshop.no_film is not None:
        raise workshop.no_film
    return entries, workshop.report


class _Workshop:
    """The tools of a preparation, and what came of it so far."""

    def __init__(
        self, data: Path, plan: Preparation, progress: ReportProgress, count: int, stack: ExitStack
    ) -> None:
        self.data, self.plan = data, plan
        self.entries: list[ClipEntry] = []
        self.report = Report()
        self.no_film: BadInput | None = None
        self._progress, self._count, self._done = progress, count, 0
        self._skipped: set[tuple[str, str]] = set()  # identity and name
        self._stack = stack
        self._tool: MediaPipe | None = None
        # What is missing must be told before the work, not after it.
        detector = self.tool() if plan.landmarks is None else GivenLandmarks(plan.landmarks)
        self.persons: PersonSource | None = None
        if plan.film_of is not None:
            self.persons = (
                Segmentation(self.tool()) if plan.masks is None else MaskVideos(plan.masks)
            )
        self.steps = Steps(Store(data / "work"), detector, open_encoder(plan.hubert), plan.focal)
        (data / CLIPS).mkdir(parents=True, exist_ok=True)

    def tool(self) -> MediaPipe:
        """MediaPipe, its process started when it is first asked."""
        if self._tool is None:
            self._tool = self._stack.enter_context(MediaPipe())
        return self._tool

    def take_in(self, sources: list[Source]) -> None:
        """Prepare the recordings of one head and camera."""
        watched = []
        for source in sources:
            self._tell(source, 0.0)
            seen = self._or_skip(source, lambda s=source: self.steps.watch(s, self.plan.shortest_s))
            if seen is None:
                self._done += 1
            else:
                watched.append(seen)
        if not watched:
            return
        try:
            head = self.steps.calibrate(watched)
        except BadInput as error:
            for seen in watched:
                self._skip(seen.source, error)
            self._done += len(watched)
            return
        tracked = []
        for seen in watched:
            self._tell(seen.source, 0.5)
            track = self._or_skip(seen.source, lambda w=seen: self._clips(w, head))
            if track is not None:
                tracked.append((seen, track))
            self._done += 1
        if tracked and self.plan.film_of == tracked[0][0].source.identity:
            try:
                self._film(tracked, head)
            except BadInput as error:  # other people's clips can still be made
                self.no_film = error
                self.report.film = {"error": str(error)}

    def write_down(self, covered: set[str]) -> list[ClipEntry]:
        """Write manifest and report of what is done; returns the manifest's clips.

        Of earlier runs the clips stay that this one did not reach, unless their identity is
        `covered`: all its recordings were looked at. Without any clip the manifest is left alone.
        """
        encoder = self.steps.encoder.description
        # Two people's videos may have one name; one video may have been given another person's.
        reached = {(entry.identity, entry.source) for entry in self.entries} | self._skipped
        files = {entry.file for entry in self.entries}
        earlier = [
            entry
            for entry in entries_of(self.data, encoder)
            if (entry.identity, entry.source) not in reached
            and entry.file not in files
            and entry.identity not in covered
        ]
        entries = [*self.entries, *earlier]
        if entries:
            trained = {entry.identity for entry in entries if entry.split == "training"}
            held_out = {entry.identity for entry in entries if entry.split == "held_out"}
            about = {
                "kind": self.plan.kind,
                "encoder": encoder,
                "held_out_identities": sorted(held_out - trained),
            }
            write_manifest(self.data, entries, about)
        plain = json.dumps(asdict(self.report), indent=1)
        write_atomically(self.data / REPORT, plain.encode())
        return entries

    def _tell(self, source: Source, part: float) -> None:
        share = (self._done + part) / self._count
        self._progress(self.plan.kind, min(share, 0.999), source.name)

    def _or_skip(self, source: Source, step: Callable[[], Result]) -> Result | None:
        """What `step` gives; None, and a line in the report, when the recording is at fault."""
        try:
            return step()
        except BadOutput:
            raise  # a full disk is not the recording's fault
        except BadInput as error:
            self._skip(source, error)
            return None

    def _skip(self, source: Source, error: BadInput) -> None:
        self._skipped.add((source.identity, source.name))
        self.report.skipped.append({"source": source.name, "reason": str(error)})

    def _clips(self, seen: Watched, head: Head) -> HeadTrack:
        """Write the clips of a recording; returns its track."""
        source, shortest = seen.source, self.plan.shortest_s
        track = track_head(source.name, seen.sighting.points, head.calibration)
        pieces = list(cut(track.valid, source.split, shortest))
        if not pieces:
            raise BadInput(
                source.name,
                expected=f"a face for {shortest:g} seconds without a gap",
                found=f"one in {int(track.valid.sum())} of {len(track.valid)} frames",
                remedy="use a recording that shows the face throughout",
            )
        heard = self.steps.listen(source, len(track.poses))
        key = key_of(version=VERSION, head=head.key, seen=seen.key, heard=heard.key)
        for first, last, split in pieces:
            # Its key in the name: a shard that a manifest names is never written over.
            path = f"{CLIPS}/{slug(source.name)}-{key[:8]}-{first:06}-{last:06}.safetensors"
            twice = slice(FEATURES_PER_FRAME * first, FEATURES_PER_FRAME * last)
            digest = write_shard(
                self.data / path,
                heard.features[twice],
                heard.pitch_bins[twice],
                track.landmarks[first:last].reshape(-1, FLAT),
                track.poses[first:last],
            )
            entry = ClipEntry(
                path, digest, last - first, self.steps.encoder.width, source.emotion,
                source.intensity, source.identity, split, source.name,
            )  # fmt: skip
            self.entries.append(entry)
        self.report.recordings.append(
            {
                "source": source.name,
                "frames": len(track.valid),
                "frames_with_face": int(track.valid.sum()),
                "frames_with_two_faces": seen.sighting.crowd,
                "clips": len(pieces),
                "reprojection_error_px": round(track.error_px, 3),
                "reprojection_error": round(track.error, 4),
                "focal_px": round(track.camera.focal, 1),
                "focal_error": round(track.focal_error, 3),
            }
        )
        return track

    def _film(self, tracked: list[tuple[Watched, HeadTrack]], head: Head) -> None:
        assert self.persons is not None
        sizes = {(seen.facts.width, seen.facts.height) for seen, _ in tracked}
        if len(sizes) > 1:
            raise BadInput(
                "the film",
                expected="recordings of one size, by one camera",
                found=", ".join(f"{w} × {h}" for w, h in sorted(sizes)),
                remedy="film recordings of one size, or none",
            )
        sources = [seen.source for seen, _ in tracked]
        if all(source.split is not None for source in sources):
            # Identities are held out for what is learned of many; a field learns of this one.
            sources = list(recordings_apart(sources))
        plan, store = self.plan, self.steps.store
        tracks = [(s, track) for s, (_, track) in zip(sources, tracked, strict=True)]
        takes = choose_frames(tracks, plan.film_frames, plan.shortest_s)
        points = np.concatenate([seen.sighting.points[track.valid] for seen, track in tracked])
        points = points[np.isfinite(points).all((1, 2))]
        square = still_square(points, *sizes.pop())
        masks = [self.persons.depends_on(source.name) for source in sources]
        key = key_of(
            version=VERSION,
            head=head.key,
            splits=[source.split for source in sources],
            persons=[
                store.file_hash(mask, slug(source.name), "mask") if isinstance(mask, Path) else mask
                for mask, source in zip(masks, sources, strict=True)
            ],
            frames=plan.film_frames,
            shortest=plan.shortest_s,
            size=plan.size,
        )
        self.report.film = {
            "square": asdict(square),
            **write_film(
                self.data / "film", takes, square, HeadSurface.of(head.calibration.face, head.mesh),
                self.persons, plan.size, key, self._progress,
            ),
        }  # fmt: skip


_SHARD = re.compile(r".+-[0-9a-f]{8}-[0-9a-f]{8}-\d{6,}-\d{6,}\.safetensors")
"""How `_clips` names them: slug, key, first and last frame."""


def _remove_others(data: Path, entries: Sequence[ClipEntry]) -> None:
    """Remove the shards of earlier runs that the manifest no longer names; nobody else's files."""
    kept = {entry.file for entry in entries}
    for shard in (data / CLIPS).iterdir():
        if _SHARD.fullmatch(shard.name) and f"{CLIPS}/{shard.name}" not in kept:
            shard.unlink()
