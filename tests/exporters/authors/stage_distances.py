"""How far every exported network of an imported avatar is from its published definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emogene.contract.measure import relative_l2
from emogene.exporters.authors.dataset import load_dataset, poses
from emogene.exporters.authors.face_model import load_face_model
from emogene.exporters.authors.state import load_model, newest_checkpoint
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner
from tests.oracle.stages import Case, Person, deformation_cases, field_cases, motion_cases

from .checkpoints import Folders


def stage_distances(
    folders: Folders, engines: Path, settings: Mapping[str, Any], *, constant_noise: bool = False
) -> dict[str, float]:
    """Relative L2 of each stage's ONNX file, its worst output, from NumPy in float64.

    Args:
        settings: of the torso. The audio-to-motion model must have 64 outputs.
    """
    rng = np.random.default_rng(4)
    dataset, face = load_dataset(folders.dataset), load_face_model(folders.bfm)
    field = published_tensors(folders.torso)
    camera = dataset.cameras[7]
    person = Person(
        field,
        settings,
        face.mean,
        camera,
        poses(camera[None], 4.0, (0.0, 0.0, 0.0))[0],
        told_of_eyes=settings.get("with_sr", False),
        constant_noise=constant_noise,
    )
    rest = face.mean + face.identity @ dataset.identity[0]
    cases = [
        _speech(folders.hubert),
        *motion_cases(published_tensors(folders.a2m), rest, face.expression, rng),
        *deformation_cases(published_tensors(folders.lm_deform), face.mean, rng),
        *field_cases(person, rng),
    ]
    return dict(_distance(case, engines) for case in cases)


def published_tensors(folder: Path) -> dict[str, NDArray[np.float64]]:
    """The tensors of a run's newest checkpoint, in float64."""
    model = load_model(newest_checkpoint(folder))
    return {
        name: t.numpy() if t.dtype == torch.uint8 else t.double().numpy()
        for name, t in model.items()
    }


def _speech(folder: Path) -> Case:
    """HuBERT, as transformers defines it, in float64."""
    from transformers import HubertModel

    samples = np.random.default_rng(3).normal(size=(1, 8_000)).astype(np.float32)
    model = HubertModel.from_pretrained(folder, local_files_only=True).double().eval()
    with torch.no_grad():
        made = model(torch.from_numpy(samples).double()).last_hidden_state.numpy()
    return Case("hubert", {"samples": samples}, {"features": made})


def _distance(case: Case, engines: Path) -> tuple[str, float]:
    with OnnxRuntimeRunner(engines / "stages" / f"{case.stage}.onnx", 1) as runner:
        found = runner.run(case.inputs)
    assert set(found) == set(case.outputs)
    return case.stage, max(_worst(found, case))


def _worst(found: dict[str, NDArray[Any]], case: Case) -> Iterator[float]:
    for name, expected in case.outputs.items():
        if expected.any():
            yield relative_l2(found[name], expected)
        else:
            assert not found[name].any()
            yield 0.0
