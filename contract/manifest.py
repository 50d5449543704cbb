"""The manifest of an engine directory: a sidecar, versioned, strict, and self-checking.

Its bytes equal their own canonical JSON, and ``digest`` is the SHA-256 over all other fields, so a
flipped bit anywhere is noticed. A feature named in ``requires`` that this version does not know
refuses the directory; an unknown top-level section is listed in `Manifest.ignored` and left alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .camera import Intrinsics
from .codec import CodecError, canonical, from_plain, to_plain
from .consistency import (
    camera_problems,
    field_problems,
    hearing_problems,
    idle_problems,
    motion_problems,
    torso_problems,
)
from .cubins import CUBINS, CubinSpec
from .emotions import EMOTIONS
from .engines import EngineSpec, VariantSpec
from .errors import BadEngineDirectory
from .field import FieldSpec, TorsoSpec
from .hearing import OWN_HEARING, HearingSpec
from .landmarks import LANDMARKS
from .motion import IdleSpec, MotionSpec
from .stages import SUPER_RESOLUTION, required_stages
from .tensors import StageSpec
from .units import FRAMES_PER_SECOND, SAMPLE_RATE

FORMAT = 1
"""Revision of the directory's layout. A reader refuses a higher one."""

SURFACE_GRIDS = "surface_grids"
"""The feature of a head field with `FieldSpec.surface`: who passed over it would paint greys."""

HEARING = "hearing"
"""The feature of a `HearingSpec` of its own: who passed over it would look for pitch elsewhere."""

KNOWN_FEATURES: frozenset[str] = frozenset(
    {"field", "torso", "motion", SURFACE_GRIDS, SUPER_RESOLUTION, CUBINS, HEARING}
)
"""What this version can do for a directory; see `Manifest.requires`."""

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "weights.safetensors"
REPORTS_FOLDER = "reports"

REBUILD = "rebuild it with: emogene-export build-engines CHECKPOINTS -o DIRECTORY"


@dataclass(frozen=True)
class FileEntry:
    """A file of the directory: SHA-256 in hex, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Rates:
    """The clocks the networks were trained with."""

    sample_rate: int = SAMPLE_RATE
    frames_per_second: int = FRAMES_PER_SECOND


@dataclass(frozen=True)
class Manifest:
    """Everything the runtime must know before it opens any other file.

    Attributes:
        name: what the avatar is called.
        files: every file but the manifest and the reports, by relative path with ``/``.
        stages: the exported networks by name (`contract.stages`).
        field, torso, motion, idle: how the avatar is rendered and moved.
        camera: intrinsics at the size it was trained for.
        feature_width: width of one HuBERT feature.
        latent_width: channels of the VAE's noise.
        checkpoint: SHA-256 over the checkpoint's files.
        tools: versions of what built it.
        licence: what may be done with the avatar, in words.
        hearing: how sound becomes features and pitch bins.
        super_resolution: whether pictures are rendered at half their size and enlarged by a stage.
        variants: the stages' networks in further precisions.
        engines: what was built from either for TensorRT or TensorRT-RTX.
        cubins: CUDA kernels compiled for the avatar's fields.
        requires: features a reader must know.
        emotions: names in embedding order.
        landmark_layout: ``"ibug68"``.
        ignored: top-level sections this version does not know; never written.
    """

    name: str
    files: Mapping[str, FileEntry]
    stages: Mapping[str, StageSpec]
    field: FieldSpec
    torso: TorsoSpec
    motion: MotionSpec
    idle: IdleSpec
    camera: Intrinsics
    feature_width: int
    latent_width: int
    checkpoint: str
    tools: Mapping[str, str]
    licence: str
    hearing: HearingSpec = OWN_HEARING
    super_resolution: bool = False
    variants: tuple[VariantSpec, ...] = ()
    engines: tuple[EngineSpec, ...] = ()
    cubins: tuple[CubinSpec, ...] = ()
    requires: tuple[str, ...] = ("field", "motion", "torso")
    emotions: tuple[str, ...] = EMOTIONS
    landmark_layout: str = f"ibug{LANDMARKS}"
    rates: Rates = Rates()
    format: int = FORMAT
    ignored: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def to_bytes(self) -> bytes:
        """Canonical JSON with the digest."""
        return canonical(self._plain() | {"digest": self.digest})

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all its fields: with the hashes of the files, over the whole directory."""
        return _digest(self._plain())

    def _plain(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_plain(self)
        del plain["ignored"]
        return plain

    @staticmethod
    def from_bytes(data: bytes, where: str = MANIFEST_FILE) -> Manifest:
        """Read and check a manifest.

        Args:
            where: path for messages.

        Raises:
            BadEngineDirectory: not JSON, not canonical, from a newer format, damaged, needing an
                unknown feature, or inconsistent in itself.
        """
        plain = _parse(data, where)
        known = {f.name for f in dataclasses.fields(Manifest)} - {"ignored"}
        ignored = tuple(sorted(set(plain) - known - {"digest"}))
        try:
            read = from_plain(Manifest, {k: v for k, v in plain.items() if k in known})
        except CodecError as error:
            raise _refuse(where, "a manifest of this format", str(error)) from None
        manifest = dataclasses.replace(read, ignored=ignored)
        _check(manifest, where)
        return manifest


def _digest(plain: Mapping[str, Any]) -> str:
    rest = {k: v for k, v in plain.items() if k != "digest"}
    return hashlib.sha256(canonical(rest)).hexdigest()


def _parse(data: bytes, where: str) -> dict[str, Any]:
    try:
        plain = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise _refuse(where, "JSON", str(error)) from None
    if not isinstance(plain, dict):
        raise _refuse(where, "a JSON object", type(plain).__name__)
    # The format comes first: a newer writer may have changed every other rule.
    found = plain.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise BadEngineDirectory(
            where,
            expected=f"format {FORMAT} or older",
            found=f"format {found}",
            remedy="update emogene, or " + REBUILD,
        )
    try:
        spelled = canonical(plain)
    except (ValueError, RecursionError) as error:
        raise _refuse(where, "finite numbers, nested a few levels deep", str(error)) from None
    if spelled != data:
        raise _refuse(where, "canonical JSON as it was written", "other bytes: it was changed")
    if plain.get("digest") != _digest(plain):
        raise _refuse(where, "a digest that matches its contents", "another: it was changed")
    return plain


def _check(manifest: Manifest, where: str) -> None:
    unknown = sorted(set(manifest.requires) - KNOWN_FEATURES)
    if unknown:
        raise BadEngineDirectory(
            where,
            expected=f"features {', '.join(sorted(KNOWN_FEATURES))}",
            found=f"a directory that requires {', '.join(unknown)}",
            remedy="update emogene, or " + REBUILD,
        )
    if manifest.emotions != EMOTIONS:
        raise _refuse(where, f"emotions {', '.join(EMOTIONS)}", ", ".join(manifest.emotions))
    if manifest.landmark_layout != f"ibug{LANDMARKS}":
        raise _refuse(where, f"landmark layout ibug{LANDMARKS}", manifest.landmark_layout)
    if manifest.rates != Rates():
        raise _refuse(where, str(Rates()), str(manifest.rates))
    wanted = required_stages(manifest.field, manifest.torso, manifest.super_resolution)
    missing = [name for name in wanted if name not in manifest.stages]
    if missing:
        raise _refuse(where, "every stage", f"no {', '.join(missing)}")
    for name, stage in manifest.stages.items():
        if stage.file not in manifest.files:
            raise _refuse(where, f"{stage.file} of stage {name} among its files", "it is missing")
    further: tuple[VariantSpec | EngineSpec, ...] = (*manifest.variants, *manifest.engines)
    for built in further:
        if built.stage not in manifest.stages:
            raise _refuse(where, f"stage {built.stage} of {built.file}", "no such stage")
        if built.file not in manifest.files:
            raise _refuse(where, f"{built.file} among its files", "it is missing")
    for cubin in manifest.cubins:
        if cubin.file not in manifest.files:
            raise _refuse(where, f"{cubin.file} among its files", "it is missing")
    problems = (
        field_problems(manifest.field)
        + torso_problems(manifest.torso)
        + motion_problems(manifest.motion)
        + idle_problems(manifest.idle)
        + hearing_problems(manifest.hearing)
        + camera_problems(manifest.camera)
    )
    if problems:
        raise _refuse(where, "parts that fit together", "; ".join(problems))


def _refuse(where: str, expected: str, found: str) -> BadEngineDirectory:
    return BadEngineDirectory(where, expected=expected, found=found, remedy=REBUILD)
