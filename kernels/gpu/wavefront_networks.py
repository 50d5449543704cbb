"""Networks of others in a frame in rounds: engines that read and write rows in the GPU's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ...contract.field import FieldSpec
from .wavefront_memory import WaveLayout


class BoundRows(Protocol):
    """A network tied to rows in memory."""

    def run(self, stream: int) -> None:
        """Enqueue it. Allocates nothing, so that it can be recorded."""

    def capturable(self, stream: int) -> bool:
        """Whether `run` may be recorded, as it is bound."""

    def close(self) -> None:
        """Free what it holds; twice is fine."""


class RowsNetwork(Protocol):
    """A network that rows go through one by one."""

    def bind(self, rows: int, given: int, bias: int, to: int) -> BoundRows:
        """Tie it to memory.

        Args:
            rows: that every run goes through, however many of them mean anything.
            given: address of (rows, inputs) float32.
            bias: address of (1, hidden) float32, the first layer's.
            to: address of (rows, outputs) float32.

        Raises:
            Failure: it does not take so many rows.
        """


def of_samples(role: str, field: FieldSpec) -> bool:
    """Whether a network's rows are a round's samples; else rays or pixels of a chunk."""
    per_sample = ("ambient", "density", "colour" if field.colour_at == "sample" else "")
    return role in per_sample


BUFFERS = {
    "ambient": ("looks", "seen"),
    "density": ("features", "raw"),
    "colour": ("looks", "seen"),
    "torso_deform": ("features", "seen"),
    "torso_colour": ("looks", "seen"),
}
"""Which arrays of the memory a network reads and writes, by what it is for."""


def bind_networks(
    networks: Mapping[str, RowsNetwork], field: FieldSpec, layout: WaveLayout, address: int
) -> dict[str, BoundRows]:
    """All networks, tied to a frame's memory that begins at an address.

    Raises:
        Failure: one does not take as many rows as a chunk has.
    """
    bound: dict[str, BoundRows] = {}
    try:
        for role, network in networks.items():
            given, to = (address + layout.places[name] for name in BUFFERS[role])
            rows = layout.rows if of_samples(role, field) else layout.rays
            bound[role] = network.bind(rows, given, address + layout.biases[role], to)
    except BaseException:
        for one in bound.values():
            one.close()
        raise
    return bound
