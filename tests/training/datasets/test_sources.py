"""The folders of MEAD and VoxCeleb2, and who is held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from emogene.contract.emotions import EMOTIONS
from emogene.contract.errors import BadInput, BadOption
from emogene.training.datasets.sources import (
    MEAD_EMOTIONS,
    default_held_out,
    mead,
    recordings_apart,
    voxceleb2,
)


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def make_mead(folder: Path, identities: list[str], clips: int = 2) -> Path:
    for identity in identities:
        for emotion in MEAD_EMOTIONS:
            for level in (1,) if emotion == "neutral" else (1, 2, 3):
                for view in ("front", "left_30"):
                    for k in range(1, clips + 1):
                        name = f"{emotion}/level_{level}/{k:03}"
                        touch(folder / identity / "video" / view / f"{name}.mp4")
                        touch(folder / identity / "audio" / f"{name}.m4a")
    return folder


def test_mead_s_names_become_ours(tmp_path: Path) -> None:
    found = mead(make_mead(tmp_path, ["M003", "W009"]))
    assert len(found) == 2 * (7 * 3 + 1) * 2
    assert {source.emotion for source in found} == set(EMOTIONS)
    by_name = {source.name: source for source in found}
    one = by_name["M003/video/front/surprised/level_2/001.mp4"]
    assert (one.emotion, one.intensity, one.identity) == ("surprise", 0.667, "M003")
    assert one.audio == tmp_path / "M003/audio/surprised/level_2/001.m4a"
    assert by_name["W009/video/front/neutral/level_1/002.mp4"].intensity == 0.0
    assert by_name["W009/video/front/fear/level_3/002.mp4"].intensity == 1.0


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    make_mead(tmp_path, ["M003"], clips=1)
    touch(tmp_path / "M003/video/front/angry/level_1/.DS_Store")
    touch(tmp_path / "M003/video/front/angry/level_9/001.mp4")
    touch(tmp_path / "M003/video/front/bored/level_1/001.mp4")
    assert len(mead(tmp_path)) == 22


def test_identities_are_held_out_whole_and_always_the_same(tmp_path: Path) -> None:
    names = [f"M{k:03}" for k in range(20)]
    assert default_held_out(names) == default_held_out(names[::-1])
    assert len(default_held_out(names)) == 2
    assert set(default_held_out(names[:19])) <= {*default_held_out(names), *names}
    found = mead(make_mead(tmp_path, ["M003", "M005", "W009"], clips=1), held_out=["M005"])
    apart = {source.identity for source in found if source.split == "held_out"}
    assert apart == {"M005"}
    chosen = mead(tmp_path, identities=["M005"], held_out=["M005"])
    assert {(s.identity, s.split) for s in chosen} == {("M005", "held_out")}


def test_a_lone_identity_holds_out_recordings_of_every_mood(tmp_path: Path) -> None:
    found = mead(make_mead(tmp_path, ["M003"], clips=3))
    apart = [source for source in found if source.split == "held_out"]
    assert {(s.emotion, s.intensity) for s in apart} == {(s.emotion, s.intensity) for s in found}
    assert all(source.video.stem == "003" for source in apart)
    assert recordings_apart(found) == found


@pytest.mark.parametrize(
    ("videos", "sounds"), [("", ""), ("mp4/", "aac/")], ids=["one folder", "two folders"]
)
def test_voxceleb2_finds_the_sound_of_a_clip(tmp_path: Path, videos: str, sounds: str) -> None:
    for identity in ("id00012", "id00015"):
        touch(tmp_path / f"{videos}{identity}/21Uxsk56VDQ/00001.mp4")
        touch(tmp_path / f"{sounds}{identity}/21Uxsk56VDQ/00001.m4a")
    found = voxceleb2(tmp_path)
    assert [source.identity for source in found] == ["id00012", "id00015"]
    assert found[0].audio == tmp_path / f"{sounds}id00012/21Uxsk56VDQ/00001.m4a"
    assert {source.emotion for source in found} == {"neutral"}
    assert {source.split for source in found} == {"training", "held_out"}
    assert len({source.group for source in found}) == 2


def test_wrong_folders_and_names_are_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        mead(tmp_path / "nowhere")
    touch(tmp_path / "vox/id1/v/1.mp4")
    with pytest.raises(BadInput, match="<identity>/video/front/<emotion>"):
        mead(tmp_path / "vox")
    make_mead(tmp_path / "mead", ["M003", "M005"], clips=1)
    with pytest.raises(BadInput, match="video/top/"):
        mead(tmp_path / "mead", view="top")
    with pytest.raises(BadOption, match=r"--held-out: .* M003, M005, found M030"):
        mead(tmp_path / "mead", held_out=["M030"])
    with pytest.raises(BadOption, match="--identity"):
        mead(tmp_path / "mead", identities=["M030"])
