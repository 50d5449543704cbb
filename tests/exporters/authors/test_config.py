"""config.yaml: flat or a chain of files, typed, bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from emogene.contract.errors import BadCheckpoint
from emogene.exporters.authors.config import Settings, load_settings

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(10)
)
"""Five hundred bytes that stand for 10¹¹ values."""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_a_chain_is_merged_as_published(tmp_path: Path) -> None:
    """Bases first, in their order; a dot begins beside the file, anything else at the root."""
    write(tmp_path / "egs/bases/base.yaml", "grid_size: 128\nsmo_win_size: 8\nlr: 5\n")
    write(
        tmp_path / "egs/bases/head.yaml",
        "base_config: [./base.yaml]\nsmo_win_size: 5\nnested: {a: 1, b: 2}\n",
    )
    write(
        tmp_path / "run/config.yaml",
        "base_config:\n  - egs/bases/head.yaml\nwith_sr: true\nnested: {b: 3}\n",
    )
    settings = load_settings(tmp_path / "run")
    assert settings.get("grid_size", 0) == 128 and settings.get("smo_win_size", 0) == 5
    assert settings.get("with_sr", False) is True
    assert settings._plain["nested"] == {"a": 1, "b": 3}


def test_a_flattened_file_still_names_its_bases(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml", "base_config: [egs/none.yaml, ./gone.yaml]\nsmo_win_size: 3\n")
    assert load_settings(tmp_path).get("smo_win_size", 5) == 3
    checkpoint = tmp_path / "model_ckpt_steps_1.ckpt"
    checkpoint.write_bytes(b"")
    assert load_settings(checkpoint).get("smo_win_size", 5) == 3


def test_a_circle_ends(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml", "base_config: ./other.yaml\na: 1\n")
    write(tmp_path / "other.yaml", "base_config: ./config.yaml\nb: 2\n")
    settings = load_settings(tmp_path)
    assert (settings.get("a", 0), settings.get("b", 0)) == (1, 2)


def test_numbers_are_read_by_type() -> None:
    settings = Settings({"a": 1, "b": "1e-4", "c": [1, 2.5, 3]}, "x")
    assert settings.get("a", 0.0) == 1.0 and settings.get("b", 0.0) == 1e-4
    assert settings.get("missing", 7) == 7
    assert settings.vector("c", (0.0, 0.0, 0.0)) == (1.0, 2.5, 3.0)
    settings.check()


def test_values_of_any_kind_have_a_digest(tmp_path: Path) -> None:
    """Dates, numbers as names, sets: none of them has a place in JSON."""
    write(tmp_path / "config.yaml", "a: 2020-01-01\nb: {1: x, y: z, 2020-01-01: 3}\nc: !!set {d}\n")
    first = load_settings(tmp_path).digest()
    write(tmp_path / "config.yaml", "a: 2020-01-02\nb: {1: x, y: z, 2020-01-01: 3}\nc: !!set {d}\n")
    assert load_settings(tmp_path).digest() != first


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "nan", 10**400, "9" * 400])
def test_numbers_that_are_none_are_named(value: object) -> None:
    settings = Settings({"a": value, "b": [1, value, 3]}, "x")
    settings.get("a", 1.0), settings.vector("b", (0.0, 0.0, 0.0))
    with pytest.raises(BadCheckpoint) as caught:
        settings.check()
    assert "a is" in caught.value.found and "b is" in caught.value.found
    assert len(caught.value.found) < 300


def test_everything_wrong_is_named_at_once() -> None:
    settings = Settings({"a": "x", "b": 1, "c": [1], "grid": "hash"}, "run/config.yaml")
    settings.get("a", 1.0), settings.get("b", True), settings.vector("c", (0.0, 0.0, 0.0))
    settings.only("grid", "tiled", "of the index")
    with pytest.raises(BadCheckpoint) as caught:
        settings.check()
    for said in ("a is 'x', not float", "b is 1, not bool", "c is [1]", "grid is 'hash'; only"):
        assert said in caught.value.found


@pytest.mark.parametrize(
    "text, said",
    [
        ("- a\n- b\n", "list"),
        ("a: [1, 2\n", "ParserError"),
        ("!!python/object/apply:os.system ['touch mark']\n", "ConstructorError"),
        ("a: !!python/name:os.system\n", "ConstructorError"),
        ("base_config: /etc/passwd\n", "base_config '/etc/passwd'"),
        ("base_config: [/etc/x.yaml]\n", "base_config '/etc/x.yaml'"),
        ("base_config: [3]\n", "base_config 3"),
        ("a: " + "[" * 5000 + "\n", "Error"),
        ("a: " + "x" * (1 << 20) + "\n", "more than"),
        ("", "nothing"),
        ("a: &a [*a]\n", "name themselves"),
        ("a: &a {b: *a}\n", "name themselves"),
        (LAUGHS, "more of them than settings have"),
        (f"a: &a {'x' * 100_000}\nb: [*a, *a]\n", "more of them than settings have"),
        (f"a: &a {'x' * 100_000}\nb: {{? *a : 1}}\nc: {{? *a : 1}}\n", "more of them than"),
        ("base_config: &b [x.yaml, *b]\n", "name themselves"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path / "config.yaml", text)
    with pytest.raises(BadCheckpoint) as caught:
        load_settings(tmp_path)
    assert said in caught.value.found and not (tmp_path / "mark").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="the published code writes it beside the checkpoint"):
        load_settings(tmp_path)


def test_long_chains_end(tmp_path: Path) -> None:
    for i in range(40):
        write(tmp_path / f"{i}.yaml", f"base_config: ./{i + 1}.yaml\n")
    write(tmp_path / "config.yaml", "base_config: ./0.yaml\n")
    with pytest.raises(BadCheckpoint, match="a chain of more than 32 files"):
        load_settings(tmp_path)
