"""Training the torso field (paper Eq. 8): a deformed 2-D grid between head and backdrop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contract.errors import BadInput
from ..contract.measure import psnr
from ..reference.checkpoint import save_network
from ..reference.demo import demo_torso
from ..reference.torso_field import TorsoField, TorsoFieldConfig, pixel_coordinates
from .devices import on_device
from .fields.film import Film, Footage
from .fields.operations import encoder, single_thread
from .fields.statistics import LandmarkStatistics
from .files import write_json
from .identity import run_identity
from .loop import Loop, LoopConfig, Progress
from .networks import NETWORK
from .ranges import AT_LEAST_1, NOT_NEGATIVE, POSITIVE

_SMALLEST_POSE_SCALE = 0.02
_PIXELS_AT_ONCE = 65_536


@dataclass(frozen=True)
class TorsoTrainingConfig:
    """Network, pixels, losses and budget."""

    network: TorsoFieldConfig = field(default_factory=demo_torso)
    frames: Annotated[int, AT_LEAST_1] = 8
    """Frames a batch."""
    pixels: Annotated[int, AT_LEAST_1] = 512
    """Pixels of each."""
    alpha_weight: Annotated[float, NOT_NEGATIVE] = 0.05
    """Loss on the torso's own coverage."""
    landmark_jitter: Annotated[float, NOT_NEGATIVE] = 0.002
    """Standard deviation of noise on the landmarks, head-space units."""
    table_rate: Annotated[float, POSITIVE] = 5e-3
    network_rate: Annotated[float, POSITIVE] = 1e-3
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(minutes=2.5, warmup_steps=50, clip_norm=0.0)
    )
    seed: Annotated[int, NOT_NEGATIVE] = 0


@single_thread()
def train_torso(
    config: TorsoTrainingConfig, data: Footage, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Train until the budget is spent; write the network, its curve and a report.

    `out` receives `network/` (`TorsoField`, see `reference.checkpoint`), `curve.csv`,
    `comparison.png`, `report.json` and the resumable `state.safetensors`. Returns the report:
    PSNR of torso and backdrop in dB on held-out frames.

    Raises:
        BadInput: the film shows no torso.
        BadCheckpoint: `out` holds a stopped run of another configuration.
    """
    out = Path(out)
    torch.manual_seed(config.seed)
    torso = TorsoField(config.network, encoder())
    trainer = TorsoTrainer(data.training, torso, config)
    loop = trainer.loop(out, progress)
    for _ in loop:
        losses = trainer.step(loop)
        if loop.log_due:
            loop.log(**losses)
    save_network(out / NETWORK, torso)
    report = {
        "parameters": sum(p.numel() for p in torso.parameters()),
        **loop.spent,
        "frames": len(data.training),
        "db": score_torso(torso.eval(), data.held_out, out / "comparison.png"),
    }
    write_json(out / "report.json", report)
    return report


class TorsoTrainer:
    """One optimiser step at a time; `train_torso` is the loop around it."""

    def __init__(self, film: Film, torso: TorsoField, config: TorsoTrainingConfig) -> None:
        self.film, self.torso, self.config = film, torso, config
        size = film.camera.size
        mask = torso_mask(film, torso.spec.mask_resolution)
        bits = np.packbits(mask.ravel(), bitorder="little")
        torso.torso_mask.copy_(torch.from_numpy(bits))
        self._positions = pixel_coordinates(size)
        self._pixels = torso.masked(self._positions).nonzero()[:, 0].cpu().numpy()
        _set_statistics(torso, film)

    def loop(self, out: Path, progress: Progress | None) -> Loop:
        """The loop with the optimiser, resumed from `out` where it holds a stopped run."""
        tables, networks = [], []
        for name, parameter in self.torso.named_parameters():
            (tables if name.endswith(".table") else networks).append(parameter)
        optimiser = torch.optim.Adam(
            [
                {"params": tables, "lr": self.config.table_rate},
                {"params": networks, "lr": self.config.network_rate},
            ],
            betas=(0.9, 0.99),
            eps=1e-12,
        )
        return Loop(
            self.config.loop, self.torso, optimiser, out,
            seed=self.config.seed, progress=progress,
            identity=run_identity(self.config, film=self.film.fingerprint),
        )  # fmt: skip

    def step(self, loop: Loop) -> Mapping[str, float]:
        """Draw a batch, take one step; returns the parts of the loss."""
        film, config = self.film, self.config
        chosen = loop.rng.integers(0, len(film), config.frames)
        pixels = loop.rng.choice(self._pixels, (config.frames, config.pixels))
        of = np.broadcast_to(chosen[:, None], pixels.shape).ravel()
        row, column = np.divmod(pixels.ravel(), film.camera.size)
        noise = loop.rng.normal(0, config.landmark_jitter, (config.frames, 68, 3))
        landmarks = film.landmarks[chosen] + noise.astype(np.float32)
        biases = self.torso.condition(
            on_device(film.poses[chosen].reshape(-1, 12)),
            on_device(landmarks.reshape(config.frames, -1)),
        )
        seen = _tensor(film.images[of, row, column])
        backdrop = _tensor(film.background[row, column])
        head = _tensor(film.head_alpha[of, row, column])[:, None]
        coverage = _tensor(film.torso_alpha[of, row, column])[:, None]

        frames = torch.arange(config.frames).repeat_interleave(config.pixels)
        given = torch.cat((seen * head, head), 1)
        rgba = self.torso(self._positions[pixels.ravel()], given, biases, frames)
        colour, alpha = rgba[:, :3], rgba[:, 3:]
        # Where the head covers a pixel, nothing is known of the torso behind it.
        free = 1 - head
        mixed = alpha * colour + (1 - alpha) * backdrop
        behind = (coverage / free.clamp(min=1e-3)).clamp(0, 1)
        colour_loss = (free * (mixed - seen).square()).mean()
        alpha_loss = (free * (alpha - behind).square()).mean()
        loop.update(colour_loss + config.alpha_weight * alpha_loss)
        return {
            "colour_loss": float(colour_loss.detach()),
            "alpha_loss": float(alpha_loss.detach()),
        }


def torso_mask(film: Film, resolution: int) -> NDArray[np.bool_]:
    """(resolution, resolution) cells the torso ever touches, and their neighbours.

    Raises:
        BadInput: the film shows no torso.
    """
    size = film.camera.size
    touched = np.zeros((size, size), bool)
    for alpha in film.torso_alpha:
        touched |= alpha > 0
    if not touched.any():
        raise BadInput(
            str(film.folder / "torso_alpha.npy"),
            expected="pixels that show the torso",
            found=f"none in {len(film)} frames",
            remedy="film it again with: emogene-train demo --stage film",
        )
    cells = np.zeros((resolution, resolution), bool)
    row, column = np.nonzero(touched)
    cells[row * resolution // size, column * resolution // size] = True
    # Where cells are smaller than pixels, every cell inside a touched pixel counts.
    centres = (2 * np.arange(resolution) + 1) * size // (2 * resolution)
    cells |= touched[np.ix_(centres, centres)]
    padded = np.pad(cells, 1)
    side = range(3)
    return np.any(
        [padded[i : i + resolution, j : j + resolution] for i in side for j in side], axis=0
    )


def render_behind_head(torso: TorsoField, film: Film, frame: int) -> NDArray[np.float32]:
    """(H, H, 3) float32 in 0…1: a frame's torso over the backdrop, under its filmed head."""
    size = film.camera.size
    positions = pixel_coordinates(size)
    seen = _tensor(film.images[frame]).reshape(-1, 3)
    head = _tensor(film.head_alpha[frame]).reshape(-1, 1)
    under = _tensor(film.background).reshape(-1, 3).clone()
    inside = torso.masked(positions).nonzero()[:, 0]
    with torch.no_grad():
        biases = torso.condition(
            on_device(film.poses[frame].reshape(1, -1)),
            on_device(film.landmarks[frame].reshape(1, -1)),
        )
        for part in inside.split(_PIXELS_AT_ONCE):
            given = torch.cat((seen[part] * head[part], head[part]), 1)
            rgba = torso(positions[part], given, biases)
            under[part] = rgba[:, 3:] * rgba[:, :3] + (1 - rgba[:, 3:]) * under[part]
    mixed = (head * seen + (1 - head) * under).reshape(size, size, 3)
    whole: NDArray[np.float32] = mixed.cpu().numpy()
    return whole


def score_torso(torso: TorsoField, held_out: Film, picture: Path, frames: int = 6) -> float:
    """Mean PSNR in dB over pixels without head; leaves a PNG of truth above and rendering below."""
    from PIL import Image

    scores, columns = [], []
    for frame in np.unique(np.linspace(0, len(held_out) - 1, frames).astype(int)):
        truth = held_out.images[frame].astype(np.float32) / 255
        shown = render_behind_head(torso, held_out, int(frame))
        free = held_out.head_alpha[frame] < 3
        scores.append(psnr(shown[free], truth[free], 1.0))
        columns.append(np.concatenate([truth, shown]))
    whole = np.clip(np.concatenate(columns, 1), 0, 1) * 255
    Image.fromarray(whole.round().astype(np.uint8)).save(picture)
    return float(np.mean(scores))


def _set_statistics(torso: TorsoField, film: Film) -> None:
    """Fill the condition's standardisation from the film."""
    poses = film.poses.reshape(len(film), -1)
    landmarks = LandmarkStatistics.of(film.landmarks)
    values = {
        "pose_mean": poses.mean(0),
        "pose_scale": np.maximum(poses.std(0), _SMALLEST_POSE_SCALE),
        "landmark_mean": landmarks.mean,
        "landmark_scale": landmarks.scale,
    }
    for name, value in values.items():
        torso.condition.get_buffer(name).copy_(torch.from_numpy(value.astype(np.float32)))


def _tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 to float32 in 0…1."""
    return on_device(pixels.astype(np.float32) / 255)
