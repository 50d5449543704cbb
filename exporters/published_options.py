"""Options that name one person's published folders, the same for every command that takes them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ..contract.errors import BadOption, MissingExtra
from .authors import PUBLISHED_HUBERT

if TYPE_CHECKING:
    from .authors.assemble import ImportOptions, Sources

MODULES = ("torch", "transformers", "yaml", "scipy")
"""What reading them takes."""

NAME, LLE_PERCENT = "imported", 0.2
"""What is taken where nothing else is asked for."""

_PANEL = "Published checkpoints"


class BlinkMode(str, Enum):
    """How eyes blink; spelled as in the published inference."""

    NONE = "none"
    PERIOD = "period"


class SrNoise(str, Enum):
    """What super-resolution adds to every pixel; the published random noise is not to be had."""

    OFF = "off"
    CONSTANT = "constant"


A2m = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads these at run time
    typer.Option(
        "--a2m",
        help="Audio-to-motion: its training folder.",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]
LmDeform = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--lm-deform",
        help="Landmark deformation: its folder.",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]
Head = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        help="Head: its folder. With --torso it is only compared with the torso's copy.",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]
Torso = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        help="Torso: its folder; it holds the head too. Without it the head is by itself.",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]
DatasetFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--dataset",
        help="The person's trainval_dataset.npy.",
        metavar="FILE",
        rich_help_panel=_PANEL,
    ),
]
Bfm = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="The face model: deep_3drecon/BFM.", metavar="DIR", rich_help_panel=_PANEL),
]
Hubert = Annotated[
    str,
    typer.Option(
        help="Speech encoder: a folder, or a name on the hub.",
        metavar="DIR|NAME",
        rich_help_panel=_PANEL,
    ),
]
Name = Annotated[str, typer.Option(help="What the avatar will be called.", rich_help_panel=_PANEL)]
Blink = Annotated[
    BlinkMode,
    typer.Option(
        "--blink-mode",
        help="none, or period: a blink every four seconds.",
        rich_help_panel=_PANEL,
    ),
]
LlePercent = Annotated[
    float,
    typer.Option(
        help="Share of the projection on the training data, 0 to 1.", rich_help_panel=_PANEL
    ),
]
Noise = Annotated[
    SrNoise,
    typer.Option(
        "--sr-noise",
        help="Noise of the super-resolution: off, or the constant one of its checkpoint.",
        rich_help_panel=_PANEL,
    ),
]


def refuse_published(folder: Path) -> None:
    """Refuse a published training folder that was named as one of our checkpoints folders.

    Raises:
        BadOption: naming the options it may belong to.
    """
    if folder.is_dir() and any(folder.glob("model_ckpt_steps_*.ckpt")):
        raise BadOption(
            str(folder),
            expected="a checkpoints folder",
            found="one model of the published training code",
            remedy="name it by --a2m, --lm-deform, --head or --torso, and the others beside it",
        )


@dataclass(frozen=True)
class Given:
    """What was typed, option by option."""

    a2m: Path | None
    lm_deform: Path | None
    head: Path | None
    torso: Path | None
    dataset: Path | None
    bfm: Path | None
    hubert: str
    name: str
    blink_mode: BlinkMode
    lle_percent: float
    sr_noise: SrNoise

    @property
    def nothing(self) -> bool:
        """Whether no folder was named."""
        return not self._folders

    @property
    def _folders(self) -> dict[str, Path]:
        named = {
            "--a2m": self.a2m,
            "--lm-deform": self.lm_deform,
            "--head": self.head,
            "--torso": self.torso,
            "--dataset": self.dataset,
            "--bfm": self.bfm,
        }
        return {option: path for option, path in named.items() if path is not None}

    def sources(self) -> Sources:
        """Where everything lies.

        Raises:
            BadOption: folders are missing; all of them are named.
            MissingExtra: a library that reads them is not installed.
        """
        folders = self._folders
        missing = [o for o in ("--a2m", "--lm-deform", "--dataset", "--bfm") if o not in folders]
        if self.head is None and self.torso is None:
            missing.append("--torso (or --head, for a head without one)")
        if missing:
            raise BadOption(
                "published checkpoints",
                expected="the folders of all models of one person",
                found=f"no {', no '.join(missing)}",
                remedy="name them too",
            )
        for module in MODULES:
            if importlib.util.find_spec(module) is None:
                raise MissingExtra(module, "export", "importing checkpoints")
        from .authors.assemble import Sources

        return Sources(
            audio_to_motion=folders["--a2m"],
            deformation=folders["--lm-deform"],
            torso=self.torso,
            dataset=folders["--dataset"],
            face_model=folders["--bfm"],
            head=self.head,
            hubert=self.hubert,
        )

    def options(self) -> ImportOptions:
        """How to import.

        Raises:
            BadOption: one of them is out of range.
        """
        if not 0 <= self.lle_percent <= 1:
            raise BadOption("--lle-percent", expected="0 to 1", found=str(self.lle_percent))
        if not self.name.strip() or len(self.name) > 100:
            raise BadOption("--name", expected="1 to 100 characters", found=repr(self.name[:100]))
        from .authors.assemble import ImportOptions

        return ImportOptions(
            self.name,
            self.blink_mode is BlinkMode.PERIOD,
            self.lle_percent,
            self.sr_noise is SrNoise.CONSTANT,
        )

    def words(self) -> list[str]:
        """The options again, as one would type them; those at their defaults are left out."""
        words = [word for o, path in self._folders.items() for word in (o, str(path))]
        for option, value, usual in (
            ("--hubert", self.hubert, PUBLISHED_HUBERT),
            ("--name", self.name, NAME),
            ("--blink-mode", self.blink_mode.value, BlinkMode.NONE.value),
            ("--lle-percent", str(self.lle_percent), str(LLE_PERCENT)),
            ("--sr-noise", self.sr_noise.value, SrNoise.OFF.value),
        ):
            words += [option, value] if value != usual else []
        return words
