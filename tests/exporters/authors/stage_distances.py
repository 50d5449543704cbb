"""How far every exported network of an imported avatar is from its published definition."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emogene.contract import stages as names
from emogene.contract.measure import relative_l2
from emogene.exporters.authors.dataset import load_dataset, poses
from emogene.exporters.authors.face_model import FaceModel, load_face_model
from emogene.exporters.authors.state import load_model, newest_checkpoint
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner
from tests.oracle.stages import Case, Person, deformation_cases, field_cases, motion_cases

from .checkpoints import Folders

Float64 = NDArray[np.float64]


SPEECH = (names.HUBERT, names.AUDIO_TO_MOTION, names.DEFORMATION)
"""Stages before the fields."""


def stage_distances(
    folders: Folders,
    networks: Path,
    settings: Mapping[str, Any],
    *,
    constant_noise: bool = False,
    only: Collection[str] = (),
) -> dict[str, float]:
    """Relative L2 of each stage's ONNX file, its worst output, from NumPy in float64.

    Args:
        networks: folder of the ONNX files.
        settings: of the torso.
        only: stages to look at; all of them where none is named.
    """
    cases = _cases(folders, settings, constant_noise, only)
    return dict(_distance(case, networks) for case in cases if not only or case.stage in only)


def _cases(
    folders: Folders, settings: Mapping[str, Any], constant_noise: bool, only: Collection[str]
) -> Iterator[Case]:
    rng = np.random.default_rng(4)
    dataset, face = load_dataset(folders.dataset), load_face_model(folders.bfm)
    if not only or names.HUBERT in only:
        yield _speech(folders.hubert)
    if not only or names.AUDIO_TO_MOTION in only:
        tensors = published_tensors(folders.a2m)
        yield from motion_cases(tensors, *_landmarks(tensors, face, dataset.identity[0]), rng)
    if not only or names.DEFORMATION in only:
        yield from deformation_cases(published_tensors(folders.lm_deform), face.mean, rng)
    if only and not set(only) - set(SPEECH):
        return
    camera = dataset.cameras[7]
    person = Person(
        published_tensors(folders.torso),
        settings,
        face.mean,
        camera,
        poses(camera[None], 4.0, (0.0, 0.0, 0.0))[0],
        told_of_eyes=settings.get("with_sr", False),
        constant_noise=constant_noise,
    )
    yield from field_cases(person, rng)


def _landmarks(
    tensors: Mapping[str, Float64], face: FaceModel, identity: Float64
) -> tuple[Float64, Float64]:
    """Where landmarks rest, and how outputs move them; displacements are ten times as large."""
    outputs = len(tensors["vae.decoder.out_proj.weight"])
    if outputs == len(face.mean):
        return face.mean, np.eye(outputs) / 10
    if outputs == face.expression.shape[1]:
        return face.mean + face.identity @ identity, face.expression
    return face.mean, np.concatenate([face.identity, face.expression], axis=1)


def published_tensors(folder: Path) -> dict[str, Float64]:
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


def _distance(case: Case, networks: Path) -> tuple[str, float]:
    with OnnxRuntimeRunner(networks / f"{case.stage}.onnx", 1) as runner:
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
