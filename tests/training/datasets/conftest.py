"""What the data tests share."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from .filmed_head import FilmedHead
from .prepared import FRAMES, WORDS, Videos, person, seen, voice
from .recordings import blank, save_tiny_hubert, write_video


@pytest.fixture(scope="session")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny HuBERT in transformers' format."""
    return save_tiny_hubert(tmp_path_factory.mktemp("encoder") / "hubert")


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> FilmedHead:
    """The rendered head talking, 30 frames."""
    return FilmedHead.rendered(tmp_path_factory.mktemp("rig"))


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, hubert: Path) -> Videos:
    """One video with sound, its landmarks and masks."""
    folder = tmp_path_factory.mktemp("recorded")
    write_video(folder / "me.mp4", blank(FRAMES), sound=voice(WORDS[0] + WORDS[1], FRAMES))
    write_video(folder / "mask.mp4", person(FRAMES))
    np.savez(folder / "landmarks.npz", **{"me.mp4": seen(FRAMES, 0)})
    return Videos(folder, hubert)


@pytest.fixture(scope="session")
def prepared(recorded: Videos) -> Videos:
    """The same, prepared. Read only: `videos` is a copy."""
    assert recorded.prepare() == 0
    return recorded


@pytest.fixture
def videos(prepared: Videos, tmp_path: Path) -> Videos:
    """A copy of the prepared video, to be changed."""
    shutil.copytree(prepared.folder, tmp_path / "v")
    return Videos(tmp_path / "v", prepared.hubert)
