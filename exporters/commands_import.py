"""``emogene-export import``: checkpoints of the published training code → a checkpoints folder."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from . import published_options as given
from .command_output import console, line


def import_checkpoints(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The checkpoints folder to write.", metavar="DIR")
    ],
    a2m: given.A2m = None,
    lm_deform: given.LmDeform = None,
    head: given.Head = None,
    torso: given.Torso = None,
    dataset: given.DatasetFile = None,
    bfm: given.Bfm = None,
    hubert: given.Hubert = given.PUBLISHED_HUBERT,
    name: given.Name = given.NAME,
    blink_mode: given.Blink = given.BlinkMode.NONE,
    lle_percent: given.LlePercent = given.LLE_PERCENT,
    sr_noise: given.Noise = given.SrNoise.OFF,
    force: Annotated[
        bool, typer.Option("--force", help="Replace checkpoints of another avatar.")
    ] = False,
) -> None:
    """Read checkpoints of EmoGene's or GeneFace++'s published code and write a checkpoints folder.

    Nothing in them is run. What does not fit is named, all of it at once, with what it means;
    what is worth knowing about these checkpoints is told. Then build-engines takes the folder.
    """
    named = given.Given(
        a2m, lm_deform, head, torso, dataset, bfm, hubert, name, blink_mode, lle_percent, sr_noise
    )
    sources, options = named.sources(), named.options()
    from .authors.kept import check_checkpoints, import_into

    check_checkpoints(output, options.name, force)
    out = console()
    begun = time.perf_counter()
    count = import_into(sources, options, output, lambda text: line(out, text))
    line(out, f"{output}: {count} networks in {time.perf_counter() - begun:.1f} s")
    line(out, f"next: emogene-export build-engines {shlex.quote(str(output))} -o ENGINES")
