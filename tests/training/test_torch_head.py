"""The head field on plain torch beside the one on the kernels: same batch, same loss, same step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.contract.field import GridSpec, MlpSpec
from emogene.reference.head_field import HeadField, HeadFieldConfig
from emogene.training.fields.fast_head import FastHead
from emogene.training.fields.film import Film, Footage
from emogene.training.fields.rays import RaySampling
from emogene.training.fields.torch_head import TorchHead, renderer
from emogene.training.head_field import HeadTrainer, HeadTrainingConfig, train_head
from emogene.training.loop import LoopConfig

from .tiny_field import tiny_head

# float32 sums in another order, and a displacement baked in another order
CLOSE = {"rtol": 1e-4, "atol": 1e-6}


def config(network: HeadFieldConfig, steps: int) -> HeadTrainingConfig:
    loop = LoopConfig(steps=steps, warmup_steps=1, clip_norm=0.0, log_every_s=0.0)
    return HeadTrainingConfig(network, RaySampling(rays=256, frames=4), bake_batches=2, loop=loop)


def steps(kind: type[FastHead], film: Film, out: Path) -> tuple[HeadField, list[dict[str, float]]]:
    torch.manual_seed(0)
    head = HeadField(tiny_head())
    trainer = HeadTrainer(film, head, config(tiny_head(), 3))
    trainer.fast = kind(head, trainer.fast.cells)
    loop = trainer.loop(out, None)
    return head, [dict(trainer.step(loop)) for _ in loop]


def test_both_learn_the_same_from_the_same_batches(film: Film, tmp_path: Path) -> None:
    fast, fast_losses = steps(FastHead, film, tmp_path / "fast")
    plain, plain_losses = steps(TorchHead, film, tmp_path / "plain")
    for a, b in zip(fast_losses, plain_losses, strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    assert fast_losses[0]["samples_per_ray"] > 0.2
    # The last backward pass left its gradients; Adam's steps would blow rounding up to whole rates.
    named = dict(plain.named_parameters())
    for name, parameter in fast.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        scale = float(parameter.grad.abs().max())
        torch.testing.assert_close(
            named[name].grad, parameter.grad, rtol=1e-2, atol=2e-3 * scale, msg=name
        )


def test_one_batch_gives_the_same_picture(film: Film) -> None:
    torch.manual_seed(1)
    head = HeadField(tiny_head())
    trainer = HeadTrainer(film, head, config(tiny_head(), 1))
    batch = trainer.sampler.draw(np.random.default_rng(0))
    landmarks = film.landmarks[batch.film_frames]
    shaded = []
    for kind in (FastHead, TorchHead):
        fast = kind(head, trainer.fast.cells)
        condition = fast.condition(trainer.statistics.windows(landmarks), landmarks)
        rays = fast.span(batch.origins, batch.directions, batch.frames)
        shaded.append(fast.shade(rays, fast.march(rays), condition))
    for ours, plain in zip(*shaded, strict=True):
        torch.testing.assert_close(plain, ours, **CLOSE)
    assert shaded[0].opacity.max() > 0.05


def ambient_head() -> HeadFieldConfig:
    """The tiny head with its second grid read at an ambient coordinate, as the authors' is."""
    whole = tiny_head()
    field = whole.field
    first = replace(field.grids[0], read_at="position")
    second = GridSpec.tiled(
        "ambient_grid", dimensions=2, levels=3, base=4, finest=16, log2_size=8, read_at="ambient"
    )
    width = first.width + second.width
    return replace(
        whole,
        field=replace(
            field,
            grids=(first, second),
            displacement=None,
            displacement_gain=0.0,
            ambient=MlpSpec("ambient", first.width, (16,), 2),
            density=replace(field.density, inputs=width),
            colour=replace(field.colour, inputs=field.colour.inputs - field.surface_width),
            surface=(),
        ),
    )


def test_ambient_grids_are_trained_by_plain_torch(footage: Footage, tmp_path: Path) -> None:
    head = HeadField(ambient_head())
    cells = np.ones((32,) * 3, bool)
    assert type(renderer(head, cells)) is TorchHead
    assert type(renderer(HeadField(tiny_head()), cells)) is FastHead
    report = train_head(config(ambient_head(), 6), footage, tmp_path)
    assert report["steps"] == 6 and report["samples"] > 0
