"""The fused renderer: chosen where it can be, and showing what the reference shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import emogene
from emogene.contract.data import Condition
from emogene.contract.errors import BadOption, Unavailable
from emogene.contract.landmarks import LANDMARKS
from emogene.contract.measure import psnr
from emogene.contract.weights import POSES, REST
from emogene.kernels import instructions
from emogene.reference.avatar import ReferenceAvatar
from emogene.reference.frame import render_frame
from emogene.runtime.avatar import Avatar
from emogene.runtime.loading import Loaded, load_engine_directory
from emogene.runtime.render.choice import choose_renderer
from emogene.runtime.render.gpu_path import GpuPath
from emogene.runtime.render.quality import BALANCED, EXACT, FAST, Quality, find_quality

SIZE = 160


@pytest.fixture(scope="module")
def shipped() -> Iterator[Loaded]:
    loaded = load_engine_directory(None, 1)
    yield loaded
    loaded.close()


def still_face(loaded: Loaded) -> tuple[Condition, np.ndarray]:
    """The face at rest, slightly moved, in a filmed pose."""
    rest = np.asarray(loaded.weights.get(REST, np.zeros((LANDMARKS, 3), np.float32)))
    moved = rest + np.random.default_rng(5).normal(0, 0.01, rest.shape).astype(np.float32)
    windows = np.zeros((1, loaded.manifest.motion.window, rest.size), np.float32)
    return Condition(moved[None], windows, moved.reshape(1, -1), 0), loaded.weights[POSES][40]


@pytest.mark.parametrize("name", instructions.available())
def test_a_picture_equals_the_reference(
    name: str, tiny_engines: Path, tiny_checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(instructions.VARIABLE, name)
    reference = ReferenceAvatar.load(tiny_checkpoints)
    with emogene.open(tiny_engines, threads=2) as avatar:
        condition, pose = still_face(avatar._loaded)
        renderer = avatar.renderer(quality="exact")
        assert renderer.name == f"fused ({name})"
        found = renderer.render(condition, pose).image
    expected = render_frame(
        reference.head,
        reference.torso,
        renderer.camera,
        torch.from_numpy(pose.copy()),
        torch.from_numpy(condition.windows[0]),
        torch.from_numpy(condition.landmarks[0]),
        torch.from_numpy(condition.torso[0]),
        torch.from_numpy(reference.background.copy()),
    ).numpy()
    assert psnr(found, expected) > (50 if name == "avx512bf16" else 60)


def test_the_renderers_agree_on_the_built_in_avatar(shipped: Loaded) -> None:
    condition, pose = still_face(shipped)
    pictures = [
        Avatar(shipped, 2, renderer).renderer(SIZE, EXACT).render(condition, pose)
        for renderer in ("fused", "wavefront")
    ]
    bfloat16 = instructions.chosen() == "avx512bf16"
    assert psnr(pictures[0].image, pictures[1].image) > (50 if bfloat16 else 60)
    # In bfloat16 a few rays end a sample earlier or later.
    relative = 1e-2 if bfloat16 else 2e-4
    assert pictures[0].samples_per_ray >= pictures[1].samples_per_ray * (1 - relative)


def test_qualities_trade_samples_for_likeness(shipped: Loaded) -> None:
    condition, pose = still_face(shipped)
    avatar = Avatar(shipped, 2, "fused")
    made = {q: avatar.renderer(SIZE, q).render(condition, pose) for q in (FAST, BALANCED, EXACT)}
    everything = avatar.renderer(SIZE, Quality("everything", 0.0)).render(condition, pose)
    assert psnr(made[EXACT].image, everything.image) > 60
    assert psnr(made[BALANCED].image, made[EXACT].image) > 45
    assert psnr(made[FAST].image, made[EXACT].image) > 38
    samples = [made[q].samples_per_ray for q in (FAST, BALANCED, EXACT)]
    assert samples == sorted(samples) and samples[0] < samples[2]


def test_a_quality_is_found_by_name() -> None:
    assert find_quality("fast") is FAST and find_quality(EXACT) is EXACT
    with pytest.raises(BadOption, match="expected one of fast, balanced, exact, found 'best'"):
        find_quality("best")
    with pytest.raises(BadOption, match="quality mine, transmittance"):
        Quality("mine", 1.0)
    with pytest.raises(BadOption, match="torso_transmittance"):
        Quality("mine", 0.0, float("nan"))


def test_auto_is_fused_where_that_is_right(shipped: Loaded) -> None:
    manifest, weights = shipped.manifest, shipped.weights

    def choose(asked: str = "auto", **changes: object) -> tuple[str, str]:
        options = {"manifest": manifest, "weights": weights, "on_cpu": True} | changes
        choice = choose_renderer(asked, **options)
        return choice.used, choice.why

    assert choose() == ("fused", "the fastest on a CPU")
    assert choose("wavefront")[0] == "wavefront"
    assert choose(on_cpu=False) == ("wavefront", "the networks do not run on the CPU")
    assert choose("fused", on_cpu=False)[0] == "fused"
    assert choose(recast={"hubert"})[0] == "fused"
    assert choose(recast={"density"}) == (
        "wavefront",
        "density was asked for in another precision",
    )
    older = {name: tensor for name, tensor in weights.items() if name != "colour.1.weight"}
    assert choose(weights=older) == (
        "wavefront",
        "the directory's weights lack colour.1.weight (56, 56)",
    )
    with pytest.raises(Unavailable, match=r"lack colour\.1\.weight \(56, 56\) — use the renderer"):
        choose("fused", weights=older)
    wide = dataclasses.replace(manifest.field.density, hidden=(512,))
    too_wide = dataclasses.replace(
        manifest, field=dataclasses.replace(manifest.field, density=wide)
    )
    assert "wider than 256" in choose(manifest=too_wide)[1]
    larger = dataclasses.replace(manifest, super_resolution=True)
    assert choose(manifest=larger) == ("fused", "the fastest on a CPU")
    beside = choose_renderer("auto", larger, weights, on_cpu=True).beside
    assert beside == "pictures are enlarged by a network"
    chest = dataclasses.replace(manifest.torso, offset="clamped")
    published = dataclasses.replace(manifest, torso=chest)
    assert "published" in choose_renderer("fused", published, weights, on_cpu=True).beside
    # The torso's own networks may then run in any precision.
    assert choose(manifest=published, recast={"torso_colour"})[0] == "fused"
    cast = choose_renderer("auto", manifest, weights, on_cpu=True, recast={"torso_colour"})
    assert (cast.used, cast.torso_of(manifest)) == ("fused", None)
    assert cast.beside == "torso_colour was asked for in another precision"
    assert choose(marching="authors") == ("wavefront", "the marching 'authors', which is in rounds")
    boxed = dataclasses.replace(manifest.field.march, box=((-0.9,) * 3, (0.9,) * 3))
    entered = dataclasses.replace(manifest, field=dataclasses.replace(manifest.field, march=boxed))
    gpu = GpuPath(True, "a GPU", wanted=True)
    assert choose(gpu=gpu) == ("gpu", "a GPU")
    assert choose(manifest=entered, gpu=gpu)[0] == "gpu"
    # A GPU goes by what its own kernels paint: published torsos too, and what networks enlarge.
    for asked in ("auto", "gpu"):
        chosen = choose_renderer(asked, published, weights, on_cpu=True, gpu=gpu)
        assert (chosen.used, chosen.beside, chosen.fallback) == ("gpu", "", "")
        assert chosen.torso_of(published) == chest
        chosen = choose_renderer(asked, larger, weights, on_cpu=True, gpu=gpu)
        assert (chosen.used, chosen.beside, chosen.fallback) == ("gpu", "", "")
        assert chosen.torso_of(larger) == larger.torso
    assert choose(manifest=larger, recast={"super_resolution"}, gpu=gpu)[0] == "gpu"
    assert choose(manifest=published, recast={"density", "torso_colour"}, gpu=gpu)[0] == "wavefront"
    options = {"on_cpu": True, "recast": {"torso_colour"}, "gpu": gpu}
    chosen = choose_renderer("auto", published, weights, **options)
    assert (chosen.used, chosen.beside) == ("gpu", cast.beside)
    deform = dataclasses.replace(chest.deform, inputs=chest.deform.inputs + 16)
    colour = dataclasses.replace(chest.colour, inputs=chest.colour.inputs - 4 + 16)
    aware = dataclasses.replace(chest, deform=deform, colour=colour, head_code=16)
    coded = dataclasses.replace(manifest, torso=aware)
    wide_by = {"torso_deform.0.weight": (deform.hidden[0], deform.inputs)}
    wide_by["torso_colour.0.weight"] = (colour.hidden[0], colour.inputs)
    weights = weights | {n: np.zeros(shape, np.float32) for n, shape in wide_by.items()}
    chosen = choose_renderer("auto", coded, weights, on_cpu=True, gpu=gpu)
    assert chosen.used == "gpu" and "weights lack head_encoder.0.bias (16,)" in chosen.beside
    with pytest.raises(
        BadOption,
        match=r"expected one of auto, fused, wavefront, gpu, gpu-plain, .*, found 'cubist'",
    ):
        choose("cubist")


def test_an_avatar_that_cannot_be_made_leaves_nothing_open(
    shipped: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(Loaded, "close", lambda self: closed.append(True))
    with pytest.raises(BadOption):
        Avatar(shipped, 1, "cubist")
    assert closed == [True]


def test_the_session_says_what_paints_it(shipped: Loaded) -> None:
    avatar = Avatar(shipped, 1)
    with avatar.session(size=32) as session:
        assert session.renderer.startswith("fused (") and session.quality == "balanced"
    with Avatar(shipped, 1, "wavefront").session(size=32, quality="fast") as session:
        assert session.renderer == "wavefront" and session.quality == "fast"
    assert avatar.renderer_choice.used == "fused"
