"""Configurations as YAML: what is written is read back, and every mistake is named by its path."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import pytest

from emogene.contract.errors import BadInput, BadOption
from emogene.training.config import read_config, write_config
from emogene.training.config_text import config_text
from emogene.training.deformation import DeformationTrainingConfig
from emogene.training.demo.recipe import DemoConfig
from emogene.training.loop import LoopConfig
from emogene.training.ranges import check_ranges


def test_every_stage_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    config = DemoConfig().scaled(0.37)
    write_config(tmp_path / "config.yaml", config)
    assert read_config(tmp_path / "config.yaml", DemoConfig()) == config


def test_settings_stand_beside_what_they_mean() -> None:
    lines = config_text(LoopConfig(minutes=2.5)).splitlines()
    assert lines[0] == "minutes: 2.5  # Budget in time; None sets no limit"
    assert lines[1].startswith("steps: null  # ")


def numbers_without_range(config: Any, place: str = "") -> Iterator[str]:
    hints = get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        value, where = getattr(config, field.name), f"{place}.{field.name}"
        if field.name == "network":  # judged as a whole, when it is built
            continue
        if dataclasses.is_dataclass(value):
            yield from numbers_without_range(value, where)
        elif not isinstance(value, (bool, str)) and get_origin(hints[field.name]) is not Annotated:
            yield where


def test_every_number_says_what_it_may_be() -> None:
    config = DemoConfig()
    check_ranges(config)
    assert list(numbers_without_range(config)) == []


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_partial_file_overrides_what_it_names(tmp_path: Path) -> None:
    text = """
    learning_rate: 3e-4     # YAML 1.1 would take this for a word
    network: {hidden: 32}
    loop: {steps: 7}
    """
    default = DeformationTrainingConfig()
    config = read_config(written(tmp_path, text), default)
    assert config.learning_rate == 3e-4
    assert config.network.hidden == 32
    assert (config.loop.steps, config.loop.minutes) == (7, default.loop.minutes)
    assert config.jitter == default.jitter


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}"])
def test_a_file_that_says_nothing_changes_nothing(tmp_path: Path, text: str) -> None:
    default = DeformationTrainingConfig()
    assert read_config(written(tmp_path, text), default) == default


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lerning_rate: 1", r"lerning_rate: expected learning_rate, found no setting of that name"),
        ("loop: {minuts: 1}", r"loop\.minuts: expected minutes, found no setting"),
        ("xyzzy: 1", r"xyzzy: expected one of network, frames, "),
        ("1: 2", r"1: expected one of network"),
        ("frames: many", r"frames: expected int, found 'many' — --print-config"),
        ("frames: 1.5", r"frames: expected int, found 1\.5"),
        ("frames: true", r"frames: expected int, found True"),
        ("learning_rate: .nan", r"learning_rate: expected float, found nan"),
        ("loop: 3", r"loop: expected an object, found 3"),
        ("loop: {minutes: -1}", r"loop\.minutes: expected a number above 0, found -1"),
        ("loop: {minutes: .inf}", r"loop\.minutes: expected float, found inf"),
        ("loop: {final_rate: 2}", r"loop\.final_rate: expected a number from 0 to 1, found 2"),
        ("jitter: -1e-3", r"jitter: expected a number of at least 0, found -0\.001"),
        ("loop: {minutes: null, steps: null}", r"loop: expected minutes, steps or both"),
    ],
)
def test_a_mistake_is_named_by_its_path(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadOption, match=rf"mine\.yaml: {said}"):
        read_config(written(tmp_path, text), DeformationTrainingConfig())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frames: [", "YAML"),
        ("- frames", "settings as `name: value`, found list"),
        ("frames: 1\nframes: 2", "'frames' twice"),
        ("loop: &a {steps: 1}\nnetwork: *a", "an alias"),
        ("frames: !!python/name:os.system", "could not determine a constructor"),
        ("frames: " + "[" * 2000, "levels of nesting"),
        ("frames: \x00", "YAML"),
        ("#" * (1 << 20) + "\n", "at most"),
        ("? [1, 2]\n: 3", "YAML"),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=r"mine\.yaml") as refused:
        read_config(written(tmp_path, text), DeformationTrainingConfig())
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_config(tmp_path / "none.yaml", DeformationTrainingConfig())
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="expected YAML"):
        read_config(tmp_path / "b.yaml", DeformationTrainingConfig())
