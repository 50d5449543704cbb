"""Training the head field (paper Eq. 5-7) on a film with depth, so that few samples a ray suffice.

What brings ~3 samples a ray instead of ~14: samples are only taken in a shell around the filmed
surface; weight in front of the surface is punished (line of sight), and lightly behind it; alpha
is pushed to 0 or 1; colour is worked out once a ray; and the step is trained for, with jitter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..contract.errors import BadOption
from ..contract.weights import HIGH, LOW, MEAN, SCALE
from ..kernels.occupancy import pack_cells
from ..kernels.traversal import Samples
from ..reference.checkpoint import save_network
from ..reference.demo import demo_falloff, demo_head
from ..reference.head_field import HeadField, HeadFieldConfig
from ..reference.volume_rendering import Shaded
from .fields.evaluate import HeadScore, save_comparison, score_head
from .fields.film import Film, Footage
from .fields.operations import single_thread
from .fields.rays import RayBatch, RaySampler, RaySampling
from .fields.shell import baked_occupancy, surface_shell
from .fields.statistics import LandmarkStatistics
from .fields.torch_head import renderer
from .files import save_tensors, write_json
from .identity import run_identity
from .loop import Loop, LoopConfig, Progress
from .networks import NETWORK
from .ranges import AT_LEAST_1, NOT_NEGATIVE, POSITIVE, SHARE


@dataclass(frozen=True)
class HeadTrainingConfig:
    """Network, rays, losses and budget. Lengths are head-space units (10 cm)."""

    network: HeadFieldConfig = field(default_factory=demo_head)
    sampling: RaySampling = field(default_factory=RaySampling)
    shell_before: Annotated[float, NOT_NEGATIVE] = 0.015
    """The shell begins this far in front of the surface."""
    shell_behind: Annotated[float, NOT_NEGATIVE] = 0.07
    """And ends this far behind it."""
    shell_every: Annotated[int, AT_LEAST_1] = 2
    """It is built from each this-many-th frame."""
    cut_behind: Annotated[float, NOT_NEGATIVE] = 0.075
    """Samples farther than this behind the surface are not taken."""
    front_weight: Annotated[float, NOT_NEGATIVE] = 0.03
    """Loss per unit of weight in front of the surface."""
    front_margin: Annotated[float, NOT_NEGATIVE] = 0.012
    """No loss so close to the surface; it ramps up over `front_ramp` from there."""
    front_ramp: Annotated[float, POSITIVE] = 0.02
    behind_weight: Annotated[float, NOT_NEGATIVE] = 0.002
    """Loss per unit of weight and step behind the surface, for four steps at most."""
    depth_weight: Annotated[float, NOT_NEGATIVE] = 1.0
    """Loss per squared distance between a ray's end and the filmed surface; what is read there
    once a ray is sharp only if rays from all sides end at the same point."""
    depth_known: Annotated[float, POSITIVE] = 0.02
    """A pixel's surface counts as known where the film saw it within so little depth."""
    entropy_weight: Annotated[float, NOT_NEGATIVE] = 1e-3
    """Weight of -α log α: alpha 0 costs nothing, half-transparent rays do."""
    landmark_jitter: Annotated[float, NOT_NEGATIVE] = 0.002
    """Standard deviation of noise on the landmarks."""
    table_rate: Annotated[float, POSITIVE] = 1e-2
    network_rate: Annotated[float, POSITIVE] = 2e-3
    bake_batches: Annotated[int, AT_LEAST_1] = 600
    bake_threshold: Annotated[float, SHARE] = 0.1
    """A cell stays when some sample in it ever weighed more than this."""
    bake_exaggeration: Annotated[tuple[float, float], POSITIVE] = (0.6, 1.15)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            minutes=36, warmup_steps=100, clip_norm=0.0, log_every_s=30.0, save_every_s=120.0
        )
    )
    score_every: Annotated[int, AT_LEAST_1] = 4
    """Rows of the curve between two scores on held-out frames."""
    seed: Annotated[int, NOT_NEGATIVE] = 0


@single_thread()
def train_head(
    config: HeadTrainingConfig, data: Footage, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Train until the budget is spent; write the network, its curve and a report.

    `out` receives `network/` (`HeadField`, see `reference.checkpoint`), `motion.safetensors` (the
    landmarks' statistics), `curve.csv`, `scores.csv`, `comparison.png`, `report.json` and the
    resumable `state.safetensors`. Returns the report: PSNR of head and mouth in dB and samples a
    ray that meets the head, on held-out frames.

    Raises:
        BadInput: the film shows no head.
        BadOption: the field's condition wants more than one frame.
        BadCheckpoint: `out` holds a stopped run of another configuration.
    """
    window = config.network.condition.window
    if window != 1:
        raise BadOption(
            "condition.window",
            expected="1",
            found=str(window),
            remedy="a film's frames are no neighbours in time",
        )
    out = Path(out)
    torch.manual_seed(config.seed)
    head = HeadField(config.network)
    trainer = HeadTrainer(data.training, head, config)
    loop = trainer.loop(out, progress)
    frames = evenly(len(data.held_out), 6)
    for row in _logged_steps(loop, trainer):
        if row % config.score_every == 0:
            loop.score(**asdict(trainer.score(data.held_out, frames)))
    trainer.bake()
    score = trainer.score(data.held_out, evenly(len(data.held_out), 25))
    loop.score(**asdict(score))
    trainer.save(out)
    save_comparison(
        out / "comparison.png", trainer.fast, data.held_out, frames, trainer.statistics,
        data.held_out.head_box(),
    )  # fmt: skip
    report = {
        "parameters": sum(p.numel() for p in head.parameters()),
        **loop.spent,
        "frames": len(data.training),
        "occupied": round(float(trainer.fast.cells.mean()), 5),
        **asdict(score),
    }
    write_json(out / "report.json", report)
    return report


def _logged_steps(loop: Loop, trainer: HeadTrainer) -> Iterator[int]:
    """Train; yields the number of each row of the curve, from 1, after it was written."""
    rows = 0
    for _ in loop:
        losses = trainer.step(loop)
        if loop.log_due:
            loop.log(**losses)
            rows += 1
            yield rows


class HeadTrainer:
    """One optimiser step at a time; `train_head` is the loop around it."""

    def __init__(self, film: Film, head: HeadField, config: HeadTrainingConfig) -> None:
        self.film, self.head, self.config = film, head, config
        self.sampler = RaySampler(film, config.sampling)
        self.statistics = LandmarkStatistics.of(film.landmarks)
        spec = head.spec
        if spec.displacement is not None:
            head.displacement.rest.copy_(torch.from_numpy(self.statistics.rest.copy()))
            head.displacement.falloff.copy_(torch.from_numpy(demo_falloff()))
        every = config.shell_every
        shell = surface_shell(film, spec, config.shell_before, config.shell_behind, every)
        head.occupancy.copy_(torch.from_numpy(pack_cells(shell)))
        self.fast = renderer(head, shell)

    def loop(self, out: Path, progress: Progress | None) -> Loop:
        """The loop with the optimiser, resumed from `out` where it holds a stopped run."""
        tables, networks = [], []
        for name, parameter in self.head.named_parameters():
            (tables if name.endswith(".table") else networks).append(parameter)
        optimiser = torch.optim.Adam(
            [
                {"params": tables, "lr": self.config.table_rate, "eps": 1e-15},
                {"params": networks, "lr": self.config.network_rate},
            ],
            betas=(0.9, 0.99),
            fused=True,
        )
        return Loop(
            self.config.loop, self.head, optimiser, out,
            seed=self.config.seed, progress=progress,
            identity=run_identity(self.config, film=self.film.fingerprint),
        )  # fmt: skip

    def step(self, loop: Loop) -> Mapping[str, float]:
        """Draw a batch, take one step; returns the parts of the loss."""
        config = self.config
        batch = self.sampler.draw(loop.rng)
        landmarks = self.film.landmarks[batch.film_frames]
        noise = loop.rng.normal(0, config.landmark_jitter, landmarks.shape)
        landmarks = landmarks + noise.astype(np.float32)
        condition = self.fast.condition(self.statistics.windows(landmarks), landmarks)
        until = batch.far + np.float32(config.cut_behind)
        rays = self.fast.span(batch.origins, batch.directions, batch.frames, until)
        samples = self.fast.march(rays, loop.rng.random(len(until), np.float32))
        done = self.fast.shade(rays, samples, condition)

        colour = _colour_loss(batch, done.values, done.opacity)
        opacity = done.opacity.clamp(1e-4, 1 - 1e-4)
        entropy = -(opacity * opacity.log()).mean()
        price = torch.from_numpy(self._line_of_sight(batch, samples))
        sight = (price * done.weights).sum() / len(until)
        depth = self._depth(batch, done)
        regular = config.entropy_weight * entropy + config.depth_weight * depth
        loop.update(colour + sight + regular)
        return {
            "colour_loss": float(colour.detach()),
            "entropy": float(entropy.detach()),
            "line_of_sight": float(sight.detach()),
            "depth": float(depth.detach()),
            "samples_per_ray": len(samples.positions) / len(until),
        }

    def _line_of_sight(self, batch: RayBatch, samples: Samples) -> NDArray[np.float32]:
        """(S,) what a unit of each sample's weight costs for lying off the surface."""
        config = self.config
        in_front = batch.near[samples.rays] - samples.distances
        behind = samples.distances - batch.far[samples.rays]
        front = np.clip((in_front - config.front_margin) / config.front_ramp, 0, 1)
        back = np.clip(behind / self.head.spec.march.step, 0, 4)
        price = config.front_weight * front + config.behind_weight * back
        # A ray that misses the head has no surface; its colour alone says it must be empty.
        return np.where(np.isfinite(in_front), price, 0).astype(np.float32)

    def _depth(self, batch: RayBatch, done: Shaded) -> Tensor:
        """Mean squared distance between where rays end and the surface, where that is known."""
        known = (batch.far < batch.near + self.config.depth_known) & (batch.alphas == 1)
        seen = torch.from_numpy(known) & (done.opacity.detach() > 0.5)
        away = done.depth[seen] - torch.from_numpy(batch.near)[seen]
        # A ray that ends on another surface altogether is the business of colour and sight.
        return away.square().clamp(max=self.config.cut_behind**2).sum() / len(known)

    def score(self, held_out: Film, frames: NDArray[np.int64]) -> HeadScore:
        """Score on held-out frames with the field's own phase and occupancy."""
        return score_head(self.fast, held_out, frames, self.statistics, held_out.head_box())

    def bake(self) -> None:
        """Replace the shell by the cells that matter over all conditions."""
        cells = baked_occupancy(
            self.fast, self.sampler, self.statistics, np.random.default_rng(self.config.seed + 1),
            batches=self.config.bake_batches, threshold=self.config.bake_threshold,
            exaggeration=self.config.bake_exaggeration,
        )  # fmt: skip
        self.fast.set_occupancy(cells)
        self.head.occupancy.copy_(torch.from_numpy(pack_cells(cells)))

    def save(self, out: Path) -> None:
        """Write the reference module and the landmarks' statistics."""
        save_network(out / NETWORK, self.head)
        s = self.statistics
        named = {MEAN: s.mean, SCALE: s.scale, LOW: s.low, HIGH: s.high}
        tensors = {name: torch.from_numpy(value) for name, value in named.items()}
        save_tensors(out / "motion.safetensors", tensors, {})


def evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """At most `wanted` of `count` frames, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def _colour_loss(batch: RayBatch, colour: Tensor, opacity: Tensor) -> Tensor:
    """Squared error over a random background, which makes wrong alpha visible."""
    alpha = torch.from_numpy(batch.alphas)[:, None]
    background = torch.rand(len(alpha), 3, device=colour.device)
    truth = alpha * torch.from_numpy(batch.colours) + (1 - alpha) * background
    return functional.mse_loss(colour + (1 - opacity[:, None]) * background, truth)
