"""What every training loop shares: a budget, a schedule, checkpoints that resume, a curve.

A loop reads:

    loop = Loop(LoopConfig(minutes=16), model, optimiser, out, identity=asdict(config))
    for step in loop:
        loss = …                       # draw data with loop.rng and torch's generator only
        loop.update(loss)
        if loop.log_due:
            loop.log(loss=loss.item())

`out/state.safetensors` holds everything a stopped run needs (model, optimiser, both random
generators, step, time spent); nothing is pickled. Under a step budget a run that was stopped
and resumed ends with the same bits as one that was not. Under a time budget the learning rate
follows the clock, so two runs agree only closely.
"""

from __future__ import annotations

import csv
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from ..contract.errors import BadCheckpoint, BadOption, Failure

Progress = Callable[[float, str], None]
"""`progress(fraction, text)`: fraction of the budget that is spent, 0…1, and a short status."""


@dataclass(frozen=True)
class LoopConfig:
    """Budget and schedule. The learning rate itself stands in the optimiser's groups."""

    minutes: float | None = None
    """CPU minutes of this process, all its threads together; None sets no limit."""
    steps: int | None = None
    """Optimiser steps; None sets no limit. With both limits the nearer one ends the run."""
    warmup_steps: int = 50
    """Steps over which the learning rate rises from 0, linearly."""
    final_rate: float = 0.02
    """Learning rate at the end of the cosine, as a share of the group's own."""
    clip_norm: float = 1.0
    """Largest L2 norm of the whole gradient; 0 clips nothing."""
    log_every_s: float = 15.0
    """CPU seconds between rows of the curve."""
    save_every_s: float = 60.0
    """CPU seconds between checkpoints."""

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise BadOption("LoopConfig", expected="minutes, steps or both", found="no budget")


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
        self.config, self.model, self.optimiser = config, model, optimiser
        self.out = Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.progress = progress
        self.step = 0
        self.spent_s = 0.0
        self.rng = np.random.default_rng(seed)
        self._identity = json.dumps(identity or {}, sort_keys=True, default=str)
        for group in optimiser.param_groups:
            group.setdefault("initial_lr", group["lr"])
        if self._state_path.exists():
            self._resume()
        else:
            torch.manual_seed(seed)
            (self.out / "curve.csv").unlink(missing_ok=True)
        self._clock = time.process_time() - self.spent_s
        self._next_log = self._next_save = self.spent_s
        self._next_log += config.log_every_s
        self._next_save += config.save_every_s

    @property
    def fraction(self) -> float:
        """How much of the budget is spent, 0…1."""
        shares = [0.0]
        if self.config.minutes is not None:
            shares.append(self.spent_s / max(60.0 * self.config.minutes, 1e-9))
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
        self.spent_s = time.process_time() - self._clock
        if self.progress is not None:
            self.progress(self.fraction, f"step {self.step}, loss {loss.item():.4f}")

    def log(self, **values: float) -> None:
        """Append a row (step, CPU seconds, then `values`) to `out/curve.csv`."""
        self.spent_s = time.process_time() - self._clock
        self._next_log = self.spent_s + self.config.log_every_s
        row = {"step": self.step, "cpu_s": round(self.spent_s, 1)}
        row |= {name: float(f"{value:.6g}") for name, value in values.items()}
        append_row(self.out / "curve.csv", row)

    def save(self) -> None:
        """Write `out/state.safetensors` atomically."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        for index, slots in state.items():
            tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in slots.items()}
        tensors["rng.torch"] = torch.get_rng_state()
        metadata = {
            "step": str(self.step),
            "spent_s": repr(self.spent_s),
            "rng": json.dumps(self.rng.bit_generator.state),
            "identity": self._identity,
        }
        save_tensors(self._state_path, tensors, metadata)

    @property
    def _state_path(self) -> Path:
        return self.out / "state.safetensors"

    def _resume(self) -> None:
        remedy = "choose another folder, or delete that file to start afresh"
        try:
            with safe_open(self._state_path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise BadCheckpoint(
                str(self._state_path),
                expected="the state of a stopped run",
                found=str(error),
                remedy=remedy,
            ) from None
        if metadata.get("identity") != self._identity:
            raise BadCheckpoint(
                str(self._state_path),
                expected=f"the configuration {self._identity}",
                found=str(metadata.get("identity")),
                remedy=remedy,
            )
        self.model.load_state_dict(_with_prefix(tensors, "model."))
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in _with_prefix(tensors, "optimiser.").items():
            index, key = name.split(".", 1)
            slots.setdefault(int(index), {})[key] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": slots, "param_groups": groups})
        torch.set_rng_state(tensors["rng.torch"])
        self.rng.bit_generator.state = json.loads(metadata["rng"])
        self.step, self.spent_s = int(metadata["step"]), float(metadata["spent_s"])
        truncate_rows(self.out / "curve.csv", self.step)


def cosine_rate(fraction: float, step: int, warmup_steps: int, final: float) -> float:
    """Learning-rate factor 0…1: linear warm-up times a half cosine from 1 down to `final`."""
    warmup = min(1.0, (step + 1) / max(warmup_steps, 1))
    return warmup * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * fraction)))


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file under its final name only when it is complete."""
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomically(path, safetensors_bytes(whole, dict(metadata)))


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, sync it, rename it: readers see the old file or the new."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide the file from other users
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Append one row to a CSV file, with a header when the file is new."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def truncate_rows(path: Path, step: int) -> None:
    """Drop the rows after `step`: they were logged after the checkpoint being resumed."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    kept = [row for row in rows if int(row[0]) <= step]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *kept])


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
