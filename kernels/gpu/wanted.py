"""Which programs an avatar's fields need on a GPU."""

from __future__ import annotations

from ...contract.errors import BadOption
from ...contract.field import FieldSpec, TorsoSpec
from .fused import fused_program
from .plain import plain_program
from .programs import Program
from .specification import unsupported
from .wavefront import wavefront_program


def wanted_programs(
    field: FieldSpec, torso: TorsoSpec | None, architecture: str, *, half_tables: bool
) -> tuple[Program, ...]:
    """Every program that a renderer of these fields may launch on this architecture.

    Args:
        half_tables: the avatar's tables are stored as halves.
    """
    if unsupported(field, torso):
        return ()
    bounded = (
        plain_program(field, torso, half_tables=half_tables),
        wavefront_program(field, torso, half_tables=half_tables),
    )
    try:
        return (fused_program(field, torso, architecture), *bounded)
    except BadOption:  # its shared memory is too small
        return bounded
