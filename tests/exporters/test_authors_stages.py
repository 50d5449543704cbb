"""The authors' wiring exports through the same loaders: ambient coordinate, attention, windows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from emogene.contract.motion import DeformStep, MotionSpec, WindowStep
from emogene.contract.stages import AMBIENT, CONDITION
from emogene.exporters.compare import compare, within
from emogene.exporters.examples import LENGTHS, varying_symbol
from emogene.exporters.onnx_file import onnx_bytes
from emogene.exporters.runners import TorchRunner
from emogene.exporters.stages import LOADERS, stage_signatures
from emogene.reference.authors import authors_head
from emogene.reference.avatar import ReferenceAvatar
from emogene.reference.head_field import HeadField
from emogene.reference.tiny import tiny
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner


@pytest.fixture(scope="module")
def avatar() -> ReferenceAvatar:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = HeadField(authors_head(window=5)).eval()
    plain = tiny()
    motion = MotionSpec((DeformStep(), WindowStep(5)), torso_condition="neutral")
    return dataclasses.replace(
        plain, head=head, card=dataclasses.replace(plain.card, motion=motion)
    )


@pytest.mark.parametrize("stage", [CONDITION, AMBIENT])
def test_stage_equals_pytorch(avatar: ReferenceAvatar, stage: str, tmp_path: Path) -> None:
    signature = stage_signatures(avatar)[stage]
    module = LOADERS[stage](avatar).eval()
    path = tmp_path / f"{stage}.onnx"
    path.write_bytes(onnx_bytes(stage, module, signature))
    with TorchRunner(module, signature) as torch_runner, OnnxRuntimeRunner(path, 1) as onnx_runner:
        lengths = LENGTHS[varying_symbol(signature)]
        differences = compare(stage, signature, onnx_runner, torch_runner, lengths)
    assert {d.output for d in differences} == {s.name for s in signature.outputs}
    assert within(differences, 1e-5)


def test_stages_follow_the_field(avatar: ReferenceAvatar) -> None:
    assert AMBIENT in stage_signatures(avatar) and AMBIENT not in stage_signatures(tiny())
    outputs = [s.name for s in stage_signatures(avatar)[CONDITION].outputs]
    assert outputs == [f"{n.name}_bias" for n in avatar.head.spec.networks]
