"""``python -m benchmarks.head_training FILM OUT``: what choices in training a head cost and bring.

Every choice is trained on the same film with the same rays for the same CPU time into a folder of
its own below OUT; those that are there already are not trained again. Then all are rendered in
turns by the fused renderer; time against PSNR on held-out frames is written as ``choices.json``,
``choices.png`` and a Markdown table. FILM is the ``film`` folder of a demo (``emogene-train demo
--stage film``). Needs ``emogene[train]``.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emogene.contract.field import GridSpec
from emogene.contract.stages import bias_name
from emogene.kernels import instructions
from emogene.kernels.fused import FrameInputs, FusedField, FusedImage
from emogene.kernels.threads import ThreadPool
from emogene.reference.checkpoint import load_network
from emogene.reference.demo import demo_head
from emogene.reference.head_field import HeadField, HeadFieldConfig
from emogene.runtime.render.quality import BALANCED
from emogene.training.fields.film import Film, open_footage
from emogene.training.fields.statistics import LandmarkStatistics
from emogene.training.head_field import HeadTrainingConfig, train_head
from emogene.training.loop import LoopConfig
from emogene.training.networks import KINDS, NETWORK

from .command import plain, write
from .head_fields import colour_at_every_sample
from .machine import describe
from .timing import Timing, in_turns

FRAMES = 8
"""Held-out frames that are rendered."""


@dataclass(frozen=True)
class Choice:
    """One way to train.

    Attributes:
        name: a word or two.
        says: what differs from the shipped avatar's training.
        config: all of it, but for the budget.
    """

    name: str
    says: str
    config: HeadTrainingConfig

    @property
    def folder(self) -> str:
        """Where it is trained."""
        return self.name.replace(" ", "_")


@dataclass(frozen=True)
class ChoiceRow:
    """What a choice came to; see `HeadScore` for `head_db`, `mouth_db`.

    Attributes:
        occupied: share of the cells that are.
        samples_per_ray: field samples over rays that met the head, as the renderer took them.
        time: of the head alone, milliseconds.
    """

    name: str
    says: str
    head_db: float
    mouth_db: float
    steps: int
    occupied: float
    samples_per_ray: float
    time: Timing


def choices() -> Iterator[Choice]:
    """The shipped avatar's training, and what differs from it in one respect each."""
    shipped = HeadTrainingConfig()

    def choice(name: str, says: str, **other: Any) -> Choice:
        return Choice(name, says, replace(shipped, **other))

    yield choice("shipped", "as the built-in avatar")
    yield choice(
        "soft", "no loss for density off the surface or half-transparent rays",
        front_weight=0.0, behind_weight=0.0, entropy_weight=0.0,
    )  # fmt: skip
    yield choice(
        "sharp", "three times those losses",
        front_weight=0.09, behind_weight=0.006, entropy_weight=3e-3,
    )  # fmt: skip
    yield choice("cells loose", "cells kept that ever weighed 0.01", bake_threshold=0.01)
    yield choice("cells tight", "cells kept that ever weighed 0.3", bake_threshold=0.3)
    yield choice("tables quarter", "tables a quarter as long", network=_with_tables(-2))
    yield choice("tables fourfold", "tables four times as long", network=_with_tables(2))
    yield choice("colour sample", "colour at every sample", network=colour_at_every_sample())
    yield choice("step long", "steps of 0.06 instead of 0.045", network=_with_step(0.06))
    yield choice("step short", "steps of 0.03", network=_with_step(0.03))


def _with_tables(log2: int) -> HeadFieldConfig:
    """The demo's with tables 2^log2 times as long at most."""
    demo = demo_head()

    def other(grid: GridSpec, longest: int) -> GridSpec:
        finest = round(grid.levels[-1].scale) + 1
        base = round(grid.levels[0].scale) + 1
        return GridSpec.tiled(
            grid.name, levels=len(grid.levels), base=base, finest=finest,
            log2_size=longest + log2, read_at=grid.read_at,
        )  # fmt: skip

    skin, inner = demo.field.grids
    skin_surface, inner_surface = demo.field.surface
    field = replace(
        demo.field,
        grids=(other(skin, 15), other(inner, 15)),
        surface=(other(skin_surface, 16), other(inner_surface, 15)),
    )
    return replace(demo, field=field)


def _with_step(step: float) -> HeadFieldConfig:
    demo = demo_head()
    return replace(demo, field=replace(demo.field, march=replace(demo.field.march, step=step)))


def train(choice: Choice, film: Path, out: Path, minutes: float) -> None:
    """Train it into its folder, unless that is finished; a stopped run goes on."""
    if (out / choice.folder / "report.json").exists():
        return
    loop = LoopConfig(
        minutes=minutes, warmup_steps=100, clip_norm=0.0, log_every_s=30.0, save_every_s=60.0
    )
    report = train_head(replace(choice.config, loop=loop), open_footage(film), out / choice.folder)
    print(choice.name, json.dumps(report), flush=True)


def measure(trained: Sequence[Choice], film: Path, out: Path, budget: float) -> list[ChoiceRow]:
    """Render held-out frames by all in turns for about ``budget`` seconds."""
    footage = open_footage(film)
    statistics = LandmarkStatistics.of(footage.training.landmarks)
    pool = ThreadPool(2)
    fields = {
        c.name: _Rendered(out / c.folder / NETWORK, footage.held_out, statistics, pool)
        for c in trained
    }
    functions: dict[str, Callable[[], object]] = {name: f.next for name, f in fields.items()}
    times = in_turns(functions, budget)
    rows = []
    for c in trained:
        report = json.loads((out / c.folder / "report.json").read_text())
        kept = {key: report[key] for key in ("head_db", "mouth_db", "steps", "occupied")}
        per_ray = fields[c.name].samples_per_ray()
        rows.append(ChoiceRow(c.name, c.says, **kept, samples_per_ray=per_ray, time=times[c.name]))
        fields[c.name].close()
    pool.close()
    return rows


class _Rendered:
    """A trained head in the fused renderer, with the conditions of held-out frames."""

    def __init__(
        self, network: Path, film: Film, statistics: LandmarkStatistics, pool: ThreadPool
    ) -> None:
        head: HeadField = load_network(network, KINDS["head"])
        tensors = {name: t.detach().numpy() for name, t in head.state_dict().items()}
        for grid in (*head.spec.grids, *head.spec.surface):
            # As they are shipped.
            tensors[f"{grid.name}.table"] = tensors[f"{grid.name}.table"].astype(np.float16)
        self._field, self._pool = FusedField(head.spec, tensors), pool
        shown = np.linspace(0, len(film) - 1, FRAMES).round().astype(int)
        self._inputs = [self._frame(head, film, statistics, i) for i in shown]
        self._each = itertools.cycle(self._inputs)

    @staticmethod
    def _frame(
        head: HeadField, film: Film, statistics: LandmarkStatistics, frame: int
    ) -> FrameInputs:
        landmarks = film.landmarks[frame : frame + 1]
        with torch.no_grad():
            condition = head.frame(statistics.windows(landmarks), torch.from_numpy(landmarks))
        networks = [bias_name(network.name) for network in head.spec.networks]
        biases = {name: condition.biases[name].numpy() for name in networks}
        return FrameInputs(film.poses[frame], film.camera, biases, landmarks[0])

    def _render(self, inputs: FrameInputs) -> FusedImage:
        return self._field.render(inputs, transmittance=BALANCED.transmittance, pool=self._pool)

    def next(self) -> FusedImage:
        """Render the next frame."""
        return self._render(next(self._each))

    def samples_per_ray(self) -> float:
        """Over all frames."""
        made = [self._render(inputs) for inputs in self._inputs]
        return sum(m.samples for m in made) / sum(m.rays for m in made)

    def close(self) -> None:
        """Free it."""
        self._field.close()


def markdown(rows: Sequence[ChoiceRow]) -> str:
    """The table that docs/performance.md shows."""
    lines = [
        "| training | head ms | samples a ray | head dB | mouth dB | cells occupied | steps |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {r.name}: {r.says} | {r.time.median:.1f} | {r.samples_per_ray:.2f} | {r.head_db:.1f} "
        f"| {r.mouth_db:.1f} | {100 * r.occupied:.1f} % | {r.steps:,} |"
        for r in rows
    ]
    return "\n".join(lines)


def plot(rows: Sequence[ChoiceRow], output: Path) -> None:
    """Time against PSNR, a dot a choice."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
    for row in rows:
        shipped = row.name == "shipped"
        axes.scatter(row.time.median, row.head_db, color="#b23a48" if shipped else "#2a6f97")
        place = (row.time.median, row.head_db)
        axes.annotate(row.name, place, xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.margins(x=0.15, y=0.1)
    axes.set_xlabel("milliseconds of the head at 512 × 512, two threads")
    axes.set_ylabel("PSNR of the head on held-out frames, dB")
    axes.grid(alpha=0.3)
    figure.savefig(output, dpi=110)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.head_training")
    parser.add_argument("film", type=Path)
    parser.add_argument("out", type=Path, help="folder of the trained choices")
    parser.add_argument("--minutes", type=float, default=2.0, help="CPU minutes a choice")
    parser.add_argument("--only", action="append", help="train this choice and stop; repeatable")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of rendering")
    asked = parser.parse_args()
    for choice in choices():
        if asked.only is None or choice.folder in asked.only:
            train(choice, asked.film, asked.out, asked.minutes)
    if asked.only is not None:
        return
    rows = measure(list(choices()), asked.film, asked.out, asked.budget)
    told = {"machine": describe(), "instructions": instructions.chosen()}
    kept = {**told, "minutes": asked.minutes, "rows": plain(rows)}
    write(kept, asked.out / "choices.json")
    plot(rows, asked.out / "choices.png")
    print(markdown(rows))


if __name__ == "__main__":
    main()
