"""Lengths and shapes that cannot be are refused before TensorRT ignores or only warns of them."""

from __future__ import annotations

import re

import pytest

from emogene.contract.engines import LengthProfile
from emogene.contract.errors import BadOption
from emogene.contract.tensors import TensorSpec
from emogene.exporters.engines.profiles import (
    DEFAULTS,
    check_profile,
    check_shapes,
    default_profile,
    input_shapes,
    parse_profile,
    shown,
)

MOTION = (
    TensorSpec("features", "float32", (1, "8*latents", 5)),
    TensorSpec("pitch_bins", "int32", (1, "8*latents")),
    TensorSpec("noise", "float32", (1, 16, "latents")),
)
GOOD = {
    "features": ((1, 8, 5), (1, 72, 5), (1, 160, 5)),
    "pitch_bins": ((1, 8), (1, 72), (1, 160)),
    "noise": ((1, 16, 1), (1, 16, 9), (1, 16, 20)),
}


def test_every_default_is_a_profile_that_reads_back() -> None:
    for profile in DEFAULTS.values():
        check_profile(profile)
        assert parse_profile(f"{profile.symbol}={shown(profile)}") == profile


def test_all_inputs_follow_one_length() -> None:
    assert input_shapes(MOTION, LengthProfile("latents", 1, 9, 20)) == GOOD


def test_the_default_is_found_by_the_symbol() -> None:
    assert default_profile(MOTION) == DEFAULTS["latents"]
    with pytest.raises(BadOption, match=r"one varying symbol out of samples.*found none"):
        default_profile((TensorSpec("bias", "float32", (1, 8)),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("points", "SYMBOL=MIN:OPT:MAX"),
        ("points=1:2", "SYMBOL=MIN:OPT:MAX"),
        ("rows=1:2:3", "one of samples, latents, frames, points, pixels, side, found 'rows'"),
        ("points=0:2:3", "1 ≤ MIN ≤ OPT ≤ MAX, found 0:2:3"),
        ("points=3:2:4", "MIN ≤ OPT ≤ MAX, found 3:2:4"),
        ("points=1:9:4", "MIN ≤ OPT ≤ MAX, found 1:9:4"),
        ("samples=399:400:401", "400 ≤ MIN"),
    ],
)
def test_a_bad_option_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadOption, match=re.escape(said)):
        parse_profile(text)


def test_a_profile_of_another_symbol_is_refused() -> None:
    with pytest.raises(BadOption, match=r"lengths of latents, .* found lengths of points"):
        input_shapes(MOTION, DEFAULTS["points"])


def test_shapes_too_large_for_32_bits_are_refused() -> None:
    with pytest.raises(BadOption, match=r"maximum of features: expected at most 2147483647"):
        input_shapes(MOTION, LengthProfile("latents", 1, 9, 1 << 27))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noize": GOOD["noise"]}, "an unknown noize"),
        ({"noise": None}, "no noise"),
        # What TensorRT only warns of: a smallest shape that contradicts itself.
        ({"noise": ((1, 16, 2), (1, 16, 9), (1, 16, 20))}, "minimum: .* 1 from features, 2 from"),
        ({"noise": ((1, 16, 1), (1, 16, 9), (1, 16, 21))}, "maximum: .* 20 from features, 21"),
        ({"noise": ((1, 16, 0), (1, 16, 9), (1, 16, 20))}, r"found \(1, 16, 0\)"),
        ({"noise": ((1, 4, 1), (1, 4, 9), (1, 4, 20))}, r"expected \(1, 16, latents\)"),
        ({"noise": ((16, 1), (16, 9), (16, 20))}, r"expected \(1, 16, latents\), found \(16, 1\)"),
        ({"pitch_bins": ((1, 8), (1, 70), (1, 160))}, r"optimum of pitch_bins: .* found \(1, 70\)"),
        (
            {name: (most, best, least) for name, (least, best, most) in GOOD.items()},
            "MIN ≤ OPT ≤ MAX in every dimension",
        ),
    ],
)
def test_shapes_that_no_length_explains_are_refused(changes: dict, said: str) -> None:
    check_shapes(MOTION, GOOD)
    shapes = {name: shape for name, shape in {**GOOD, **changes}.items() if shape is not None}
    with pytest.raises(BadOption, match=said):
        check_shapes(MOTION, shapes)
