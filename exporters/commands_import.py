"""``emogene-export import``: checkpoints of the published training code → a checkpoints folder."""

from __future__ import annotations

import importlib.util
import shlex
import time
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from ..contract.errors import BadOption, MissingExtra
from .authors import PUBLISHED_HUBERT
from .command_output import console, line

IMPORT_MODULES = ("torch", "transformers", "yaml", "scipy")


class BlinkMode(str, Enum):
    """How eyes blink; spelled as in the published inference."""

    NONE = "none"
    PERIOD = "period"


def import_checkpoints(
    a2m: Annotated[
        Path, typer.Option("--a2m", help="Audio-to-motion: its training folder.", metavar="DIR")
    ],
    lm_deform: Annotated[
        Path,
        typer.Option("--lm-deform", help="Landmark deformation: its folder.", metavar="DIR"),
    ],
    torso: Annotated[
        Path, typer.Option(help="Torso: its folder; it holds the head too.", metavar="DIR")
    ],
    dataset: Annotated[
        Path, typer.Option(help="The person's trainval_dataset.npy.", metavar="FILE")
    ],
    bfm: Annotated[Path, typer.Option(help="The face model: deep_3drecon/BFM.", metavar="DIR")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The checkpoints folder to write.", metavar="DIR")
    ],
    head: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option(help="Head: its folder, to compare the torso's copy with.", metavar="DIR"),
    ] = None,
    hubert: Annotated[
        str,
        typer.Option(help="Speech encoder: a folder, or a name on the hub.", metavar="DIR|NAME"),
    ] = PUBLISHED_HUBERT,
    name: Annotated[str, typer.Option(help="What the avatar will be called.")] = "imported",
    blink_mode: Annotated[
        BlinkMode, typer.Option(help="none, or period: a blink every four seconds.")
    ] = BlinkMode.NONE,
    lle_percent: Annotated[
        float, typer.Option(help="Share of the projection on the training data, 0 to 1.")
    ] = 0.2,
) -> None:
    """Read checkpoints of EmoGene's or GeneFace++'s published code and write a checkpoints folder.

    Nothing in them is run. What does not fit is named, all of it at once, with what it means;
    what is worth knowing about these checkpoints is told. Then build-engines takes the folder.
    """
    for module in IMPORT_MODULES:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "export", "importing checkpoints")
    if not 0 <= lle_percent <= 1:
        raise BadOption("--lle-percent", expected="0 to 1", found=str(lle_percent))
    if not name.strip() or len(name) > 100:
        raise BadOption("--name", expected="1 to 100 characters", found=repr(name[:100]))
    from .authors.assemble import ImportOptions, Sources, import_avatar

    out = console()
    begun = time.perf_counter()
    sources = Sources(a2m, lm_deform, torso, dataset, bfm, head, hubert)
    options = ImportOptions(name, blink_mode is BlinkMode.PERIOD, lle_percent)
    avatar = import_avatar(sources, options, lambda text: line(out, text))
    avatar.save(output)
    line(out, f"{output}: {len(avatar.networks())} networks in {time.perf_counter() - begun:.1f} s")
    folder = shlex.quote(str(output))
    line(out, f"next: emogene-export build-engines {folder} -o ENGINES")
