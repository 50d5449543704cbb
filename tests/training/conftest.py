"""Films that several tests train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from emogene.training.fields.film import Film, Footage, open_film

from .tiny_film import write_tiny_film


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return open_film(write_tiny_film(tmp_path_factory.mktemp("films") / "train"))


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Film:
    folder: Path = tmp_path_factory.mktemp("films") / "held_out"
    return open_film(write_tiny_film(folder, frames=3, seed=1))


@pytest.fixture(scope="session")
def footage(film: Film, held_out: Film) -> Footage:
    return Footage(film, held_out)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks train faster on one thread, above all on a machine that is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
