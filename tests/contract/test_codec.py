"""The codec reads back what it wrote, and names the place of everything it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emogene.contract.codec import CodecError, canonical, from_plain, to_plain
from emogene.contract.motion import BlinkStep, DeformStep, MotionSpec, NormaliseStep, WindowStep


@dataclass(frozen=True)
class Inner:
    width: int
    scale: float
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    name: str
    pair: tuple[int, int]
    many: tuple[Inner, ...]
    maybe: Inner | None = None
    shape: tuple[int | str, ...] = ()


GOOD = {"name": "n", "pair": [1, 2], "many": [{"width": 3, "scale": 1}], "shape": [1, "frames"]}


@given(
    st.builds(
        Outer,
        st.text(),
        st.tuples(st.integers(), st.integers()),
        st.lists(
            st.builds(Inner, st.integers(), st.floats(allow_nan=False, allow_infinity=False))
        ).map(tuple),
        st.none() | st.builds(Inner, st.integers(), st.just(0.5), st.sampled_from(["a", "b"])),
        st.lists(st.integers() | st.text()).map(tuple),
    )
)
def test_round_trip(value: Outer) -> None:
    assert from_plain(Outer, to_plain(value)) == value


def test_steps_are_told_apart_by_kind() -> None:
    steps = (DeformStep(), BlinkStep((0.5, 1.0), 50, 90), NormaliseStep(), WindowStep(3))
    spec = MotionSpec(steps, "neutral")
    assert from_plain(MotionSpec, to_plain(spec)) == spec
    assert spec.look_ahead == 1


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"extra": 1}, "unknown extra"),
        ({"pair": [1]}, "pair: expected 2 values"),
        ({"pair": [1, True]}, "pair[1]: expected int"),
        ({"many": [{"width": 3}]}, "many[0]: missing scale"),
        ({"many": [{"width": 3, "scale": "1"}]}, "many[0].scale: expected float"),
        ({"many": [{"width": 3, "scale": 1, "mode": "c"}]}, "many[0].mode: expected one of 'a'"),
        ({"many": {}}, "many: expected a list"),
        ({"many": [{"width": 3, "scale": 10**400}]}, "many[0].scale: expected float"),
        ({"name": None}, "name: expected str"),
        ({"maybe": 3}, "maybe: expected an object"),
        ({"shape": [None]}, "shape[0]: expected int or str"),
    ],
)
def test_refusals_name_the_place(change: dict[str, object], place: str) -> None:
    with pytest.raises(CodecError) as refusal:
        from_plain(Outer, GOOD | change)
    assert place in str(refusal.value)


def test_canonical_is_one_spelling() -> None:
    assert canonical({"b": 1, "a": "é"}) == b'{\n  "a": "\\u00e9",\n  "b": 1\n}\n'
    with pytest.raises(ValueError):
        canonical({"a": float("nan")})
