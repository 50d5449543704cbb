"""Which programs an avatar's fields need on a GPU."""

from __future__ import annotations

from ...contract.field import FieldSpec, TorsoSpec
from .plain import plain_program
from .programs import Program
from .specification import unsupported


def wanted_programs(
    field: FieldSpec, torso: TorsoSpec | None, architecture: str
) -> tuple[Program, ...]:
    """Every program that a renderer of these fields launches on this architecture."""
    del architecture  # the plain kernels are the same on all of them
    return () if unsupported(field, torso) else (plain_program(field, torso),)
