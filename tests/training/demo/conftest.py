"""A coarse head, built once: the same code and shapes as the real one, in seconds."""

from __future__ import annotations

import pytest

from emogene.training.demo.head.rig import HeadRig

COARSE = 0.03
"""Head units. The slit between the lips is 0.034 high; a coarser net would close it."""


@pytest.fixture(scope="session")
def rig_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rig")


@pytest.fixture(scope="session")
def rig(rig_folder) -> HeadRig:
    return HeadRig.cached(rig_folder, COARSE)
