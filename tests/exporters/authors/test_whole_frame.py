"""Pictures of imported engine directories against the published definition in float64."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import emogene
from emogene.contract.data import Condition
from emogene.contract.engine_directory import read_manifest
from emogene.contract.measure import psnr, relative_l2
from emogene.exporters.authors.assemble import ImportOptions, import_avatar
from emogene.exporters.authors.dataset import poses
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.kinds import KINDS
from emogene.reference.avatar import ReferenceAvatar
from emogene.runtime.render import gpu
from emogene.runtime.render.renderer import LayeredRenderer
from tests.kernels.gpu.host_kernels import HASTY, kernels_of_kind
from tests.oracle.frame import Shown, picture
from tests.runtime.fake_cuda import Machine
from tests.tiny_avatar import once

from .checkpoints import SETTINGS, Folders, dataset_fields, torso_model, write_run
from .conftest import sources_of
from .shared_exports import build_sharing_speech

PLAIN = {**SETTINGS, "with_sr": False, "smo_win_size": 5, "eye_blink_dim": 2}

VARIANTS: dict[str, tuple[dict[str, Any], bool]] = {
    "enlarged": (SETTINGS, True),
    "enlarged, torso blind, constant noise": ({**SETTINGS, "torso_head_aware": False}, True),
    "full size": (PLAIN, True),
    "full size head alone": (PLAIN, False),
}
"""Settings, and whether there is a torso."""

USUAL = "enlarged"
"""The one that other tests build, too."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A published model, what became of it, and its engine directory."""

    model: dict[str, torch.Tensor]
    settings: dict[str, Any]
    avatar: ReferenceAvatar
    engines: Path


@pytest.fixture(scope="module", params=list(VARIANTS))
def variant(
    request: pytest.FixtureRequest, folders: Folders, tmp_path_factory: pytest.TempPathFactory
) -> Variant:
    settings, chest = VARIANTS[request.param]
    if request.param == USUAL:
        imported, engines = map(request.getfixturevalue, ("imported", "imported_engines"))
        return Variant(torso_model(settings), settings, imported, engines)
    noisy = "constant noise" in request.param
    root = tmp_path_factory.mktemp("variant")
    model = torso_model(settings, alone=not chest)
    write_run(root / "run", model, settings)
    other = dataclasses.replace(
        sources_of(folders),
        torso=root / "run" if chest else None,
        head=None if chest else root / "run",
    )
    avatar = import_avatar(other, ImportOptions(request.param, constant_noise=noisy))
    avatar.save(root / "checkpoints")
    name = request.param.replace(" ", "-").replace(",", "")
    engines = once(
        tmp_path_factory, name, lambda to: build_sharing_speech(root / "checkpoints", to)
    )
    return Variant(model, settings, avatar, engines)


def conditions(variant: Variant) -> tuple[Condition, np.ndarray, Shown]:
    """One frame, for us and as published."""
    rng = np.random.default_rng(8)
    width = variant.settings["smo_win_size"]
    face = variant.avatar.audio_to_motion.folding.mean.numpy() + rng.normal(0, 0.02, 204)
    face = face.astype(np.float32)
    window, eye = rng.normal(size=(1, width, 204)).astype(np.float32), np.float32([0.3])
    fields = dataset_fields()
    camera = fields["train_samples"][7]["c2w"].astype(np.float64)
    told = variant.avatar.card.motion.eyes is not None
    condition = Condition(face.reshape(1, 68, 3), window, face[None], 0, eye if told else None)
    shown = Shown(
        {name: tensor.numpy() for name, tensor in variant.model.items()},
        variant.settings,
        camera,
        window[0].astype(np.float64),
        float(eye[0]),
        face.reshape(68, 3).astype(np.float64),
        fields["bg_img"],
        constant_noise="constant noise" in variant.avatar.card.name,
    )
    return condition, poses(camera[None], 4.0, (0.0, 0.0, 0.0))[0], shown


def test_a_picture_equals_the_published_definition(variant: Variant) -> None:
    condition, pose, shown = conditions(variant)
    expected = picture(shown)
    published = (expected * 255).astype(np.uint8)  # cut off, as theirs
    with emogene.open(variant.engines, threads=1, marching="authors") as avatar:
        renderer = avatar.renderer()
        assert isinstance(renderer, LayeredRenderer) and renderer.name == "wavefront"
        found = renderer.render(condition, pose).image
    assert expected.std() > 0.05
    # A number on the border of two bytes may be cut to either.
    assert psnr(found, published) > 60
    assert np.abs(found.astype(int) - published.astype(int)).max() <= 1


def test_each_ray_by_itself_differs_by_less_than_its_threshold(variant: Variant) -> None:
    """The default rule ends a ray one sample earlier, and gives none more than 16."""
    condition, pose, shown = conditions(variant)
    expected = picture(shown)
    with emogene.open(variant.engines, threads=1, renderer="wavefront") as avatar:
        found = avatar.renderer(quality="exact").render(condition, pose).image
    assert psnr(found, (expected * 255 + 0.5).astype(np.uint8)) > 40


def test_a_head_without_torso_stands_before_the_background(variant: Variant) -> None:
    condition, pose, shown = conditions(variant)
    if "torso_embedder.embeddings" in variant.model:
        assert variant.avatar.torso.torso_mask.any()
        return
    assert not variant.avatar.torso.torso_mask.any()
    with emogene.open(variant.engines, threads=1) as avatar:
        # Nothing of a torso keeps the kernels from the whole picture.
        assert avatar.renderer_choice.used == "fused" and not avatar.renderer_choice.beside
        avatar.renderer().render(condition, pose)
    assert relative_l2(shown.camera[:3, :3] @ shown.camera[:3, :3].T, np.eye(3)) < 1e-5


@pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")
def test_a_gpu_paints_what_the_networks_paint(
    variant: Variant,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """On the model of a GPU, by itself: the whole picture, which a network may enlarge."""
    condition, pose, shown = conditions(variant)
    published = (picture(shown) * 255 + 0.5).astype(np.uint8)
    with emogene.open(variant.engines, threads=1, renderer="wavefront") as avatar:
        wanted = avatar.renderer(quality="exact").render(condition, pose).image
    machine = Machine()
    machine.install(monkeypatch, tmp_path)
    monkeypatch.setattr(nvrtc, "STANDARD_OPTIONS", HASTY)
    manifest = read_manifest(variant.engines)
    folder = tmp_path_factory.getbasetemp() / "kernels-of-variants"
    # Every kind of kernels where they paint a published torso, which is what differs here.
    coded = manifest.torso.head_code and not manifest.super_resolution
    for kind in ("plain", "wavefront", "fused") if coded else ("plain",):
        monkeypatch.setattr(gpu, "KINDS", {kind: KINDS[kind]})
        machine.kernels.update(kernels_of_kind(kind, manifest.field, manifest.torso, folder))
        with emogene.open(variant.engines, threads=1, strict=True) as avatar:
            choice = avatar.renderer_choice
            assert (choice.used, choice.beside, choice.fallback) == ("gpu", "", "")
            renderer = avatar.renderer(quality="exact")
            assert f"gpu ({kind}, sm_86)" in renderer.name
            found = renderer.render(condition, pose).image
        assert not machine.allocations and not machine.graphs and not machine.streams
        # Tensor cores multiply halves.
        assert psnr(found, wanted) > (55 if kind == "fused" else 65)
        assert psnr(found, published) > 40
