"""Networks run on the rows."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.weights import network_tensors
from emogene.kernels.gpu.specification import layout, networks_by_role
from emogene.kernels.reference import fused as reference
from emogene.kernels.reference import networks

from ... import fused_scenes
from .stand import Made, needs_nvrtc

pytestmark = needs_nvrtc


ROLES = [
    (kind, role)
    for kind, field in fused_scenes.fields().items()
    for role in networks_by_role(field, fused_scenes.TORSO)
    if kind in ("authors", "realtime") or not role.startswith("torso")
]


@pytest.mark.parametrize(("kind", "role"), ROLES)
def test_networks(made: Made, kind: str, role: str) -> None:
    waves = made(kind)
    scene = waves.scene
    network = networks_by_role(scene.field, scene.torso)[role]
    plain = reference.FusedField(scene.field, scene.weights, scene.torso)
    assert network_tensors(network).keys() <= scene.weights.keys()
    most = min(
        waves.arrays["features"].size // network.inputs, waves.arrays["raw"].size // network.outputs
    )
    for count in (0, 1, 200, most):
        for name in ("features", "raw"):
            waves.arrays[name].view(np.uint8)[:] = 0xFF
        rows = np.random.default_rng(count).normal(0, 1, (count, network.inputs))
        rows = rows.astype(np.float32)
        if count > 100:
            rows[77, -1] = np.nan
        waves.arrays["features"][: rows.size] = rows.reshape(-1)
        waves.counts.samples = waves.counts.chosen = count
        waves.network(role, "chosen" if role.startswith("torso") else "samples", "features", "raw")
        found = waves.arrays["raw"][: count * network.outputs].reshape(count, network.outputs)
        fine = np.isfinite(rows).all(axis=1)
        wanted = plain.network(scene.inputs, network, rows)
        if role in ("colour", "torso_colour"):
            wanted = networks.sigmoid(wanted)
        elif role != "density":
            reach = scene.torso.deform_range if role == "torso_deform" and scene.torso else 1.0
            wanted = np.tanh(wanted) * np.float32(reach)
        # Sums of up to 64 products in another order, a layer after another.
        assert np.allclose(found[fine], wanted[fine], atol=1e-4, rtol=1e-4)
        assert waves.poisoned("raw", count * network.outputs)


@pytest.mark.parametrize("kind", tuple(fused_scenes.fields()))
def test_weights_lie_where_four_are_loaded_at_once(made: Made, kind: str) -> None:
    waves = made(kind)
    places = layout(waves.scene.field, waves.scene.torso).parameters
    assert places and all(4 * at % 16 == 0 for at in places.values())
