"""Which programs an avatar's fields need on a GPU."""

from __future__ import annotations

from ...contract.field import FieldSpec, TorsoSpec
from .programs import Program


def wanted_programs(
    field: FieldSpec, torso: TorsoSpec | None, architecture: str
) -> tuple[Program, ...]:
    """Every program that a renderer of these fields launches on this architecture."""
    return ()
