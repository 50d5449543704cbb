"""What every training loop shares: a budget, a schedule, checkpoints that resume, a curve.

A loop reads:

    loop = Loop(LoopConfig(minutes=16), model, optimiser, out, identity=asdict(config))
    for step in loop:
        loss = …                       # draw data with loop.rng and torch's generator only
        loop.update(loss)
        if loop.log_due:
            loop.log(loss=loss.item())
            loop.score(accuracy=…)     # on held-out data

Both random generators are seeded anew before every step from the seed and the step's number, so
what a step draws depends on nothing that happened before: not on stops, scores or rows of the
curve. Under a step budget a run that was stopped and resumed therefore ends with the same bits as
one that was not (on one device and number of threads). Under a time budget the learning rate
follows the clock, so two runs agree only closely.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..contract.errors import BadOption, Failure
from .files import append_row, clear_leftovers, truncate_rows
from .progress import RESUMED
from .ranges import NOT_NEGATIVE, POSITIVE, SHARE, check_ranges
from .state import load_state, save_state

CURVE, SCORES, STATE = "curve.csv", "scores.csv", "state.safetensors"
"""Files a run leaves: losses, figures on held-out data, and all it takes to go on."""

Progress = Callable[[float, str], None]
"""`progress(fraction, text)`: fraction of the budget that is spent, 0…1, and a short status."""


@dataclass(frozen=True)
class LoopConfig:
    """Budget and schedule. The learning rate itself stands in the optimiser's groups.

    Seconds and minutes are CPU time of this process, all its threads together, which other
    programs do not use up; where the model lives on a GPU they are time on the clock.
    """

    minutes: Annotated[float | None, POSITIVE] = None
    """Budget in time; None sets no limit."""
    steps: Annotated[int | None, NOT_NEGATIVE] = None
    """Optimiser steps; None sets no limit. With both limits the nearer one ends the run."""
    warmup_steps: Annotated[int, NOT_NEGATIVE] = 50
    """Steps over which the learning rate rises from 0, linearly."""
    final_rate: Annotated[float, SHARE] = 0.02
    """Learning rate at the end of the cosine, as a share of the group's own."""
    clip_norm: Annotated[float, NOT_NEGATIVE] = 1.0
    """Largest L2 norm of the whole gradient; 0 clips nothing."""
    log_every_s: Annotated[float, NOT_NEGATIVE] = 15.0
    """Seconds between rows of the curve."""
    save_every_s: Annotated[float, NOT_NEGATIVE] = 60.0
    """Seconds between checkpoints."""

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise BadOption("loop", expected="minutes, steps or both", found="no budget")


class Loop:
    """Iterates over step indices until the budget is spent; resumes from `out` by itself.

    `identity` is what makes a run this run (its configuration without the budget). A state in
    `out` with another identity is refused with BadCheckpoint rather than silently continued.
    """

    def __init__(
        self,
        config: LoopConfig,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        out: Path,
        *,
        seed: int = 0,
        identity: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> None:
        check_ranges(config, "loop")
        self.config, self.model, self.optimiser = config, model, optimiser
        self.out = Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.progress = progress
        self.seed = seed
        self.step = 0
        self.cpu_s = self.wall_s = 0.0
        self.rng = np.random.default_rng(seed)
        self._identity = identity or {}
        self._on_cpu = all(p.device.type == "cpu" for p in model.parameters())
        self._last_score = ""
        for group in optimiser.param_groups:
            group.setdefault("initial_lr", group["lr"])
        clear_leftovers(self._state_path)
        if self._state_path.exists():
            progress_then = load_state(self._state_path, model, optimiser, self._identity)
            self.step = int(progress_then["step"])
            self.cpu_s, self.wall_s = progress_then["cpu_s"], progress_then["wall_s"]
        for name in (CURVE, SCORES):
            truncate_rows(self.out / name, self.step)
        self._cpu_start = time.process_time() - self.cpu_s
        self._wall_start = time.monotonic() - self.wall_s
        self._next_log = self.spent_s + config.log_every_s
        self._next_save = self.spent_s + config.save_every_s
        if progress is not None and self.step:
            progress(self.fraction, f"{RESUMED} step {self.step}")

    @property
    def spent_s(self) -> float:
        """Seconds of the budget that are spent: CPU time, or time on the clock on a GPU."""
        return self.cpu_s if self._on_cpu else self.wall_s

    @property
    def spent(self) -> dict[str, float]:
        """What the run took so far, over all its interruptions, for a report."""
        return {"steps": self.step, **self._seconds()}

    @property
    def fraction(self) -> float:
        """How much of the budget is spent, 0…1."""
        shares = [0.0]
        if self.config.minutes is not None:
            shares.append(self.spent_s / (60.0 * self.config.minutes))
        if self.config.steps is not None:
            shares.append(self.step / max(self.config.steps, 1))
        return min(max(shares), 1.0)

    @property
    def log_due(self) -> bool:
        """Whether a row of the curve is due after this step (always after the last one)."""
        return self.spent_s >= self._next_log or self.fraction >= 1.0

    def __iter__(self) -> Iterator[int]:
        while self.fraction < 1.0:
            rate = cosine_rate(
                self.fraction, self.step, self.config.warmup_steps, self.config.final_rate
            )
            for group in self.optimiser.param_groups:
                group["lr"] = group["initial_lr"] * rate
            self._seed_step()
            # The step counts as done before the caller's body ends, so that `log_due` after
            # `update` already sees it; a checkpoint is only written between steps.
            yield self.step
            if self.spent_s >= self._next_save:
                self._next_save = self.spent_s + self.config.save_every_s
                self.save()
        self.save()

    def update(self, loss: Tensor) -> None:
        """Back-propagate `loss` (scalar), clip, take one optimiser step, count it.

        Raises Failure when the loss is not finite: nothing later would mend it.
        """
        if not torch.isfinite(loss):
            raise Failure(
                f"the loss at step {self.step}",
                expected="a finite number",
                found=str(loss.item()),
                remedy=f"lower the learning rate; the last good state is in {self.out}",
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.clip_norm > 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self.step += 1
        self._look_at_the_clock()
        if self.progress is not None:
            text = f"step {self.step}, loss {loss.item():.4f}{self._last_score}"
            self.progress(self.fraction, text)

    def log(self, **losses: float) -> None:
        """Append a row (step, seconds, then `losses`) to `out/curve.csv`."""
        self._look_at_the_clock()
        self._next_log = self.spent_s + self.config.log_every_s
        append_row(self.out / CURVE, {**self._row(), **_rounded(losses)})

    def score(self, **figures: float) -> None:
        """Append a row of figures on held-out data to `out/scores.csv`.

        The first of them is shown with the progress.
        """
        rounded = _rounded(figures)
        name, value = next(iter(rounded.items()))
        self._last_score = f", {name} {value:.4g}"
        append_row(self.out / SCORES, {**self._row(), **rounded})

    def save(self) -> None:
        """Write `out/state.safetensors` atomically."""
        progress = {"step": self.step, "cpu_s": self.cpu_s, "wall_s": self.wall_s}
        save_state(self._state_path, self.model, self.optimiser, self._identity, progress)

    @property
    def _state_path(self) -> Path:
        return self.out / STATE

    def _row(self) -> dict[str, float]:
        return {"step": self.step, **self._seconds()}

    def _seconds(self) -> dict[str, float]:
        return {"cpu_s": round(self.cpu_s, 1), "wall_s": round(self.wall_s, 1)}

    def _look_at_the_clock(self) -> None:
        self.cpu_s = time.process_time() - self._cpu_start
        self.wall_s = time.monotonic() - self._wall_start

    def _seed_step(self) -> None:
        sequence = np.random.SeedSequence([self.seed, self.step])
        self.rng.bit_generator.state = np.random.PCG64(sequence).state
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0]))


def cosine_rate(fraction: float, step: int, warmup_steps: int, final: float) -> float:
    """Learning-rate factor 0…1: linear warm-up times a half cosine from 1 down to `final`."""
    warmup = min(1.0, (step + 1) / max(warmup_steps, 1))
    return warmup * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * fraction)))


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in values.items()}
