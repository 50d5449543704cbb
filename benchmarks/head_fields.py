"""``python -m benchmarks.head_fields FILM --minutes 4``: which field structure learns a head best.

Trains four structures on the same film with the same rays, losses and CPU time, one after the
other, and prints PSNR on held-out frames and the cost of rendering as a Markdown table. FILM is the
``film`` folder of a demo (``emogene-train demo --stage film``) or of prepared data. Needs
``emogene[train]``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from emogene.contract.field import FieldSpec, GridSpec, MlpSpec
from emogene.contract.stages import AMBIENT
from emogene.reference.condition import PlainConditionConfig
from emogene.reference.demo import demo_head
from emogene.reference.head_field import HeadFieldConfig
from emogene.training.fields.film import open_footage
from emogene.training.head_field import HeadTrainingConfig, train_head
from emogene.training.loop import LoopConfig

from .command import write

FINEST = 384.0
"""Cells of the finest level where fine grids are read at every sample."""


def structures() -> Iterator[tuple[str, HeadFieldConfig]]:
    """Name and field of each structure; what they share is the demo's."""
    yield "plain: two grids at the position, condition as bias", _with_grids("position")
    yield "ambient: a grid at the position, one at a learnt coordinate", _ambient()
    yield "warped + static: skin at the face at rest", _with_grids("displaced")
    yield "warped + static, looks read once a ray (shipped)", demo_head()


def colour_at_every_sample() -> HeadFieldConfig:
    """The demo's without looks read once a ray: fine grids and the colour at every sample."""
    return _with_grids("displaced")


def _with_grids(read_skin_at: str) -> HeadFieldConfig:
    grids = (
        GridSpec.tiled(
            "skin", levels=6, base=12, finest=FINEST, log2_size=16,
            read_at="displaced" if read_skin_at == "displaced" else "position",
        ),
        GridSpec.tiled("inner", levels=5, base=12, finest=FINEST, log2_size=15),
    )  # fmt: skip
    field = _at_every_sample(grids)
    if read_skin_at == "position":
        density = replace(field.density, inputs=field.density.inputs - 3)
        field = replace(field, displacement=None, displacement_gain=0.0, density=density)
    return HeadFieldConfig(field, _condition())


def _ambient() -> HeadFieldConfig:
    """The published wiring: the second grid's coordinate is a network's, of the first's features
    and the condition."""
    grids = (
        GridSpec.tiled("space", levels=6, base=12, finest=FINEST, log2_size=16),
        GridSpec.tiled("mood", levels=5, base=12, finest=FINEST, log2_size=15, read_at="ambient"),
    )
    field = _at_every_sample(grids)
    return HeadFieldConfig(
        replace(
            field,
            displacement=None,
            displacement_gain=0.0,
            density=replace(field.density, inputs=field.density.inputs - 3),
            ambient=MlpSpec(AMBIENT, grids[0].width, (32,), 3),
        ),
        _condition(),
    )


def _at_every_sample(grids: tuple[GridSpec, ...]) -> FieldSpec:
    """The demo's field without surface grids: its colour network is given the geometry alone."""
    demo = demo_head().field
    features, geometry = sum(grid.width for grid in grids) + 3, 15
    return replace(
        demo,
        grids=grids,
        surface=(),
        density=replace(demo.density, inputs=features, outputs=1 + geometry),
        colour=replace(demo.colour, inputs=demo.directions**2 + geometry),
    )


def _condition() -> PlainConditionConfig:
    condition = demo_head().condition
    assert isinstance(condition, PlainConditionConfig)
    return condition


def measure(film: Path, minutes: float) -> list[dict[str, Any]]:
    """Train every structure for `minutes` of CPU time and judge it on held-out frames."""
    footage, rows = open_footage(film), []
    for name, network in structures():
        config = HeadTrainingConfig(network=network)
        loop = LoopConfig(minutes=minutes, warmup_steps=100, clip_norm=0.0, log_every_s=60.0)
        with tempfile.TemporaryDirectory() as out:
            report = train_head(replace(config, loop=loop), footage, Path(out))
        work = network.field.density.multiply_adds
        work += network.field.ambient.multiply_adds if network.field.ambient else 0
        kept = {key: report[key] for key in ("head_db", "mouth_db", "samples", "steps")}
        ray = network.field.colour.multiply_adds
        rows.append({"structure": name, **kept, "per_sample": work, "per_ray": ray})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table that docs/training.md shows."""
    lines = [
        "| structure | steps | head dB | mouth dB | samples a ray | multiply-adds: sample + ray |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {r['structure']} | {r['steps']:,} | {r['head_db']:.1f} | {r['mouth_db']:.1f} "
        f"| {r['samples']:.1f} | {r['per_sample']:,} + {r['per_ray']:,} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.head_fields")
    parser.add_argument("film", type=Path)
    parser.add_argument("--minutes", type=float, default=4.0, help="CPU minutes a structure")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    asked = parser.parse_args()
    rows = measure(asked.film, asked.minutes)
    if asked.output is not None:
        write({"minutes": asked.minutes, "rows": rows}, asked.output)
    print(markdown(rows))


if __name__ == "__main__":
    main()
