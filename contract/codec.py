"""Frozen dataclasses to plain JSON values and back, strictly.

Unions of dataclasses are told apart by a ``kind`` field of `Literal` type. Reading refuses unknown
and missing fields, wrong types and non-finite numbers, and names the place
(``motion.steps[1].width``).
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class CodecError(ValueError):
    """A plain value does not describe the type it is read as; the message starts with the place."""


def to_plain(value: Any) -> Any:
    """``value`` as dicts, lists, strings, numbers, booleans and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(v) for v in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CodecError(f"{value} cannot be written")
        return value
    raise CodecError(f"{type(value).__name__} cannot be written")


def canonical(plain: Any) -> bytes:
    """The one spelling of a plain value: sorted keys, indent 2, ASCII, a newline at the end."""
    text = json.dumps(plain, sort_keys=True, indent=2, ensure_ascii=True, allow_nan=False)
    return (text + "\n").encode("ascii")


def from_plain(kind: type[T], plain: Any, place: str = "") -> T:
    """Read ``plain`` as ``kind``.

    Raises:
        CodecError: it does not fit; the message names the place inside ``plain``.
    """
    return typing.cast(T, _read(kind, plain, place))


def _read(kind: Any, plain: Any, place: str) -> Any:
    origin = typing.get_origin(kind)
    if kind is Any:
        return plain
    if origin in (typing.Union, types.UnionType):
        return _read_union(typing.get_args(kind), plain, place)
    if origin is typing.Literal:
        if plain in typing.get_args(kind):
            return plain
        choices = ", ".join(map(repr, typing.get_args(kind)))
        raise _mismatch(place, f"one of {choices}", plain)
    if origin is tuple:
        return _read_tuple(typing.get_args(kind), plain, place)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(plain, dict):
            raise _mismatch(place, "an object", plain)
        value_kind = typing.get_args(kind)[1]
        return {k: _read(value_kind, v, _join(place, k)) for k, v in plain.items()}
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, plain, place)
    return _read_scalar(kind, plain, place)


def _read_dataclass(kind: Any, plain: Any, place: str) -> Any:
    if not isinstance(plain, dict):
        raise _mismatch(place, "an object", plain)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(plain) - set(fields))
    missing = sorted(
        name
        for name, f in fields.items()
        if name not in plain
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    )
    if unknown or missing:
        said = [f"unknown {', '.join(unknown)}"] if unknown else []
        said += [f"missing {', '.join(missing)}"] if missing else []
        raise CodecError(f"{place or kind.__name__}: {'; '.join(said)}")
    return kind(**{name: _read(hints[name], v, _join(place, name)) for name, v in plain.items()})


def _read_union(kinds: tuple[Any, ...], plain: Any, place: str) -> Any:
    if plain is None and type(None) in kinds:
        return None
    kinds = tuple(k for k in kinds if k is not type(None))
    if len(kinds) == 1:
        return _read(kinds[0], plain, place)
    if all(dataclasses.is_dataclass(k) for k in kinds):
        by_kind = {typing.get_args(typing.get_type_hints(k)["kind"])[0]: k for k in kinds}
        tag = plain.get("kind") if isinstance(plain, dict) else plain
        if not isinstance(tag, str) or tag not in by_kind:
            raise _mismatch(_join(place, "kind"), f"one of {', '.join(sorted(by_kind))}", tag)
        return _read(by_kind[tag], plain, place)
    for kind in kinds:
        try:
            return _read(kind, plain, place)
        except CodecError:
            continue
    raise _mismatch(place, " or ".join(k.__name__ for k in kinds), plain)


def _read_tuple(kinds: tuple[Any, ...], plain: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise _mismatch(place, "a list", plain)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_read(kinds[0], v, f"{place}[{i}]") for i, v in enumerate(plain))
    if len(plain) != len(kinds):
        raise _mismatch(place, f"{len(kinds)} values", plain)
    pairs = zip(kinds, plain, strict=True)
    return tuple(_read(kind, v, f"{place}[{i}]") for i, (kind, v) in enumerate(pairs))


def _read_scalar(kind: Any, plain: Any, place: str) -> Any:
    number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
    if kind is float and number and _is_float(plain):
        return float(plain)
    if kind is int and number and isinstance(plain, int):
        return plain
    if kind in (str, bool) and isinstance(plain, kind):
        return plain
    raise _mismatch(place, getattr(kind, "__name__", str(kind)), plain)


def _is_float(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number of more than 308 digits
        return False


def _mismatch(place: str, expected: str, found: Any) -> CodecError:
    shown = repr(found)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return CodecError(f"{place or 'value'}: expected {expected}, found {shown}")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
