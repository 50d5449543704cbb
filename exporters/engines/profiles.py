"""The lengths an engine accepts, and the shapes of every input that follow from them.

TensorRT only warns of a smallest shape that contradicts itself, and ignores names it does not
know, so both are checked here. Outputs need no profile: the network says how long they are (for
HuBERT ``(samples - 400) // 320 + 1``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from ...contract.engines import LengthProfile
from ...contract.errors import BadOption
from ...contract.tensors import TensorSpec
from ...contract.units import HUBERT_RECEPTIVE_FIELD, SAMPLE_RATE
from ..shapes import factor_and_symbol, resolved, symbols

Shape = tuple[int, ...]
Shapes = Mapping[str, tuple[Shape, Shape, Shape]]
"""For each input by name: its shape at the minimum, the optimum and the maximum."""

OPTION = "--profile"

DEFAULTS: dict[str, LengthProfile] = {
    profile.symbol: profile
    for profile in (
        # Clips of 20 s, with room for a clip of 30.
        LengthProfile("samples", HUBERT_RECEPTIVE_FIELD, 20 * SAMPLE_RATE + 80, 30 * SAMPLE_RATE),
        # A hop of 300 frames with 68 of overlap on each side is 109 latents.
        LengthProfile("latents", 1, 109, 256),
        # Landmarks are moved a hop at a time; the fields are conditioned frame by frame.
        LengthProfile("frames", 1, 1, 512),
        # Rows run in batches of 2^14; 2^16 is all that a round of 32,768 rays and two samples asks
        # for. Scratch memory grows with the maximum.
        LengthProfile("points", 1, 1 << 14, 1 << 16),
        LengthProfile("pixels", 1, 1 << 14, 1 << 16),
        # Pictures of 512 are rendered at 256.
        LengthProfile("side", 2, 256, 512),
    )
}
"""What every stage is built for unless told otherwise, by its varying symbol."""

BUCKETS: tuple[int, ...] = (1 << 14, 1 << 16, 1 << 18)
"""Maxima worth choosing for ``points`` and ``pixels``. A field network of 128 wide layers needs
about 10, 38 and 126 MB of scratch memory at them."""

_LEAST = {"samples": HUBERT_RECEPTIVE_FIELD}
_MOST_ELEMENTS = 2**31 - 1

_SPELLING = re.compile(r"(\w+)=(\d+):(\d+):(\d+)")


def default_profile(inputs: Sequence[TensorSpec]) -> LengthProfile:
    """The profile of a stage with these inputs.

    Raises:
        BadOption: they do not vary with exactly one known symbol.
    """
    return DEFAULTS[_symbol(inputs)]


def parse_profile(text: str) -> LengthProfile:
    """``"points=1:16384:65536"`` → minimum, optimum and maximum of a symbol.

    Raises:
        BadOption: it is spelled otherwise, or the lengths cannot be.
    """
    match = _SPELLING.fullmatch(text.strip())
    if not match:
        raise BadOption(
            OPTION,
            expected="SYMBOL=MIN:OPT:MAX",
            found=repr(text),
            remedy="for example points=1:16384:65536",
        )
    symbol, *lengths = match.groups()
    profile = LengthProfile(symbol, *map(int, lengths))
    check_profile(profile)
    return profile


def check_profile(profile: LengthProfile) -> None:
    """Refuse (`BadOption`) an unknown symbol, and lengths that are too short or out of order."""
    symbol = profile.symbol
    if symbol not in DEFAULTS:
        raise BadOption(OPTION, expected=f"one of {', '.join(DEFAULTS)}", found=repr(symbol))
    least = _LEAST.get(symbol, 1)
    if not least <= profile.minimum <= profile.optimum <= profile.maximum:
        raise BadOption(
            f"{OPTION} {symbol}",
            expected=f"{least} ≤ MIN ≤ OPT ≤ MAX",
            found=f"{profile.minimum}:{profile.optimum}:{profile.maximum}",
            remedy=f"for example {symbol}={shown(DEFAULTS[symbol])}",
        )


def shown(profile: LengthProfile) -> str:
    """``MIN:OPT:MAX``, as `parse_profile` reads it after the symbol."""
    return f"{profile.minimum}:{profile.optimum}:{profile.maximum}"


def input_shapes(inputs: Sequence[TensorSpec], profile: LengthProfile) -> Shapes:
    """The shapes of all inputs at the three lengths; fixed shapes are the same at each.

    Raises:
        BadOption: the profile is not one, or speaks of another symbol than the inputs do.
    """
    check_profile(profile)
    symbol = _symbol(inputs)
    if profile.symbol != symbol:
        raise BadOption(
            OPTION,
            expected=f"lengths of {symbol}, which this stage varies with",
            found=f"lengths of {profile.symbol}",
        )
    lengths = (profile.minimum, profile.optimum, profile.maximum)
    shapes: dict[str, tuple[Shape, Shape, Shape]] = {}
    for spec in inputs:
        least, best, most = (resolved(spec.shape, symbol, length) for length in lengths)
        shapes[spec.name] = (least, best, most)
    check_shapes(inputs, shapes)
    return shapes


def check_shapes(inputs: Sequence[TensorSpec], shapes: Shapes) -> None:
    """Refuse shapes that no length of the varying symbol explains.

    Raises:
        BadOption: an input is unknown or missing, a shape has another rank or another fixed
            dimension, is out of order, disagrees with the others about the length, or is too large
            for 32-bit indices.
    """
    known = {spec.name: spec for spec in inputs}
    _check_names(known, shapes)
    for place, word in enumerate(("minimum", "optimum", "maximum")):
        claimed: dict[int, str] = {}
        for name, spec in known.items():
            shape = shapes[name][place]
            where = f"profile, {word} of {name}"
            for length in _lengths(where, spec, shape):
                claimed.setdefault(length, name)
            if math.prod(shape) > _MOST_ELEMENTS:
                raise BadOption(
                    where,
                    expected=f"at most {_MOST_ELEMENTS} elements",
                    found=f"{_shape(shape)}, {math.prod(shape)}",
                    remedy="choose a smaller MAX",
                )
        if len(claimed) > 1:
            raise BadOption(
                f"profile, {word}",
                expected="one length that explains all shapes",
                found=", ".join(f"{n} from {name}" for n, name in claimed.items()),
                remedy="derive every shape from the same length",
            )
    for name, (least, best, most) in shapes.items():
        if not all(a <= b <= c for a, b, c in zip(least, best, most, strict=True)):
            raise BadOption(
                f"profile, {name}",
                expected="MIN ≤ OPT ≤ MAX in every dimension",
                found=f"{_shape(least)}, {_shape(best)}, {_shape(most)}",
            )


def _check_names(known: Mapping[str, TensorSpec], shapes: Shapes) -> None:
    unknown, missing = sorted(set(shapes) - set(known)), sorted(set(known) - set(shapes))
    if unknown or missing:
        said = [f"an unknown {name}" for name in unknown] + [f"no {name}" for name in missing]
        raise BadOption("profile", expected=f"shapes for {', '.join(known)}", found=", ".join(said))


def _lengths(where: str, spec: TensorSpec, shape: Shape) -> list[int]:
    """The lengths that the varying dimensions of ``shape`` stand for."""
    fits = len(shape) == len(spec.shape)
    lengths = []
    for found, declared in zip(shape, spec.shape, strict=False):
        if isinstance(declared, str):
            length, rest = divmod(found, factor_and_symbol(declared)[0])
            fits = fits and not rest and length > 0
            lengths.append(length)
        else:
            fits = fits and found == declared
    if not fits:
        raise BadOption(where, expected=_shape(spec.shape), found=_shape(shape))
    return lengths


def _symbol(inputs: Sequence[TensorSpec]) -> str:
    found = symbols(inputs)
    if len(found) != 1 or found[0] not in DEFAULTS:
        raise BadOption(
            "the inputs of the stage",
            expected=f"one varying symbol out of {', '.join(DEFAULTS)}",
            found=", ".join(found) or "none",
        )
    return found[0]


def _shape(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))})"
