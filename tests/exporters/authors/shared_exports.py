"""Engine directories of faces that hear alike: their networks of speech are exported once a run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from unittest import mock

from emogene.contract.stages import AUDIO_TO_MOTION, DEFORMATION, HUBERT, Signature
from emogene.exporters import exporting
from emogene.exporters.build import build_engine_directory
from emogene.exporters.report import StageReport
from emogene.exporters.stages import LOADERS
from emogene.reference.avatar import ReferenceAvatar
from emogene.runtime.backends.protocol import Array

SPEECH = (HUBERT, AUDIO_TO_MOTION, DEFORMATION)

Exported = tuple[StageReport, dict[str, Array]]

_export = exporting._export_stage
_made: dict[str, tuple[bytes, Exported]] = {}


def build_sharing_speech(checkpoints: Path, target: Path) -> None:
    """``build_engine_directory``; what was exported before of the same weights is not again."""
    with mock.patch.object(exporting, "_export_stage", _once):
        build_engine_directory(checkpoints, target)


def _once(
    avatar: ReferenceAvatar, stage: str, signature: Signature, path: Path, threads: int
) -> Exported:
    if stage not in SPEECH:
        return _export(avatar, stage, signature, path, threads)
    module = LOADERS[stage](avatar)
    digest = hashlib.sha256(f"{stage} {signature} {module}".encode())
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    key = digest.hexdigest()
    if key not in _made:
        exported = _export(avatar, stage, signature, path, threads)
        _made[key] = (path.read_bytes(), exported)
    data, exported = _made[key]
    path.write_bytes(data)
    return exported
