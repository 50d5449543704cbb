"""Symbolic shapes such as ``(1, "8*latents")``: reading them and filling in lengths."""

from __future__ import annotations

from collections.abc import Iterable

from ..contract.tensors import Dimension, TensorSpec


def factor_and_symbol(dimension: str) -> tuple[int, str]:
    """``"8*latents"`` → (8, "latents"); ``"frames"`` → (1, "frames")."""
    factor, star, symbol = dimension.rpartition("*")
    return (int(factor) if star else 1), symbol


def symbols(specs: Iterable[TensorSpec]) -> tuple[str, ...]:
    """The distinct symbols in the shapes of ``specs``, in order of appearance."""
    found = [factor_and_symbol(d)[1] for spec in specs for d in spec.shape if isinstance(d, str)]
    return tuple(dict.fromkeys(found))


def resolved(shape: Iterable[Dimension], symbol: str, length: int) -> tuple[int, ...]:
    """``shape`` with ``symbol`` = ``length``.

    Raises:
        KeyError: the shape holds another symbol.
    """
    made = []
    for dimension in shape:
        if isinstance(dimension, str):
            factor, name = factor_and_symbol(dimension)
            if name != symbol:
                raise KeyError(name)
            dimension = factor * length
        made.append(dimension)
    return tuple(made)


def varying_axis(spec: TensorSpec) -> int:
    """The first axis of ``spec`` that is a symbol."""
    return next(axis for axis, d in enumerate(spec.shape) if isinstance(d, str))
