"""``python -m benchmarks.plot_errors e/ errors.png``: how far each stage is from PyTorch.

A dot a stage and precision, on a logarithmic axis, with the tolerances as lines. Needs matplotlib
(``emogene[train]``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import typer

from emogene.contract.engine_directory import read_manifest
from emogene.contract.stages import STAGE_ORDER
from emogene.runtime.command_line import run

from .command import Picture, new_app

app = new_app()

COLOURS = {"fp32": "#2a6f97", "fp16": "#e07a1f", "bf16": "#7b5ea7", "int8": "#b23a48"}


@app.command()
def plot_errors(
    engine_dir: Annotated[Path, typer.Argument(help="Engine directory.", metavar="ENGINE_DIR")],
    picture: Picture,
) -> None:
    """Draw the errors that the directory's manifest records."""
    manifest = read_manifest(engine_dir)
    names = [name for name in STAGE_ORDER if name in manifest.stages]
    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    recorded = [(name, s.precision, s.error) for name, s in manifest.stages.items()]
    recorded += [(v.stage, v.precision, v.error) for v in manifest.variants if v.error]
    for precision, colour in COLOURS.items():
        points = [(n, e) for n, p, e in recorded if p == precision]
        if not points:
            continue
        axes.axvline(points[0][1].tolerance, color=colour, linestyle=":", linewidth=1)
        axes.scatter(
            [error.relative_l2 for _, error in points],
            [names.index(name) for name, _ in points],
            color=colour,
            label=f"{precision} (tolerance dotted)",
            zorder=3,
        )
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("relative L2 against PyTorch, worst of three lengths")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(COLOURS), fontsize=9, frameon=False)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    run(app)
