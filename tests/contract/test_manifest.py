"""A manifest notices every change to itself, and says what to do about what it refuses."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest

from emogene.contract.codec import canonical
from emogene.contract.errors import BadEngineDirectory
from emogene.contract.hearing import OWN_HEARING
from emogene.contract.manifest import FORMAT, Manifest, _digest

from .avatars import small_manifest


def resealed(change: dict[str, object]) -> bytes:
    """The small manifest with ``change`` and a digest that fits it: an honest, different writer."""
    plain = json.loads(small_manifest().to_bytes()) | change
    plain["digest"] = _digest(plain)
    return canonical(plain)


def test_round_trip() -> None:
    manifest = small_manifest()
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_every_flipped_bit_is_caught() -> None:
    data, rng = small_manifest().to_bytes(), random.Random(0)
    for _ in range(300):
        place, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        broken = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
        with pytest.raises(BadEngineDirectory):
            Manifest.from_bytes(broken)


def test_every_truncation_is_caught() -> None:
    data = small_manifest().to_bytes()
    for length in range(0, len(data), 97):
        with pytest.raises(BadEngineDirectory):
            Manifest.from_bytes(data[:length])


def test_newer_format_says_update() -> None:
    with pytest.raises(BadEngineDirectory, match=f"found format {FORMAT + 1}.*update emogene"):
        Manifest.from_bytes(resealed({"format": FORMAT + 1, "surprise": [1]}))


def test_unknown_required_feature_refuses() -> None:
    with pytest.raises(BadEngineDirectory, match="requires hologram"):
        Manifest.from_bytes(resealed({"requires": ["field", "hologram"]}))


def test_an_older_manifest_hears_as_all_did_then() -> None:
    plain = json.loads(small_manifest().to_bytes())
    del plain["hearing"]
    plain["digest"] = _digest({k: v for k, v in plain.items() if k != "digest"})
    assert Manifest.from_bytes(canonical(plain)).hearing == OWN_HEARING


def test_unknown_optional_section_is_listed_and_ignored() -> None:
    manifest = Manifest.from_bytes(resealed({"perfume": {"notes": ["cedar"]}}))
    assert manifest.ignored == ("perfume",)
    assert "perfume" not in json.loads(manifest.to_bytes())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"emotions": ["happy"]}, "expected emotions angry"),
        ({"landmark_layout": "mediapipe"}, "landmark layout ibug68"),
        ({"rates": {"sample_rate": 8000, "frames_per_second": 25}}, "sample_rate"),
        ({"stages": {}}, "no hubert"),
        ({"files": {}}, "among its files"),
        ({"camera": {"size": 64}}, "camera: missing cx, cy, focal"),
        ({"format": "1"}, "format: expected int"),
    ],
)
def test_inconsistencies_are_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(BadEngineDirectory, match=said):
        Manifest.from_bytes(resealed(change))


def test_a_network_that_does_not_fit_its_grids_is_refused() -> None:
    manifest = small_manifest()
    odd = dataclasses.replace(manifest.field, displacement_gain=4.0)
    data = dataclasses.replace(manifest, field=odd).to_bytes()
    with pytest.raises(BadEngineDirectory, match="density network with 7 inputs"):
        Manifest.from_bytes(data)


def test_nonsense_nested_without_end_is_refused() -> None:
    for depth in (400, 900, 100_000):
        data = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
        with pytest.raises(BadEngineDirectory):
            Manifest.from_bytes(data)
