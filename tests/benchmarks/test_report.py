"""A small run of everything, its JSON, its tables and its picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.latency import app
from benchmarks.plot import draw
from benchmarks.report import BEGIN, END, tables
from benchmarks.report import app as report
from typer.testing import CliRunner

from emogene.runtime.command_line import exit_code


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoints: Path, tiny_engines: Path
) -> Path:
    made = tmp_path_factory.mktemp("benchmarks") / "result.json"
    options = ["--checkpoints", tiny_checkpoints, "--engine-dir", tiny_engines, "-o", made]
    options += ["--budget", 0, "--seconds", 0.2, "--size", 32, "--frames", 2, "--minutes", 0.01]
    done = CliRunner().invoke(app, [str(option) for option in options])
    assert done.exit_code == 0, (done.output, done.exception)
    return made


@pytest.fixture
def result(written: Path) -> dict[str, Any]:
    return json.loads(written.read_text())


def test_what_it_holds(result: dict[str, Any]) -> None:
    assert set(result) == {
        *(
            "machine",
            "avatar",
            "peaks",
            "stages",
            "frames",
            "head",
            "sizes",
            "speech",
            "live",
            "memory",
        )
    }
    assert result["machine"]["commit"] and result["machine"]["versions"]["numpy"]
    names = [row["renderer"] for row in result["frames"]]
    assert names[:2] == ["PyTorch reference", "wavefront"] and "fused baseline" in names
    assert all(row["psnr"] > 30 for row in result["frames"][1:])
    fused = [row for row in result["frames"] if row["renderer"].startswith("fused")]
    assert all(row["floor_ms"] > 0 and row["samples_per_ray"] > 0 for row in fused)
    run = result["speech"][0]
    assert run["frames"] == 5 and run["core_ms"] > 0 and run["stages"]["encode"] > 0
    live = result["live"][0]
    assert live["frames"] + live["dropped"] >= 5 and live["making"]["runs"] == live["frames"]
    assert result["memory"][0]["peak"] > 20


def test_tables_are_rectangles(result: dict[str, Any]) -> None:
    for table in tables(result):
        assert table.rows and all(len(row) == len(table.header) for row in table.rows), table.title


def test_a_page_is_rewritten(written: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n{BEGIN}\nold\n{END}\nafter\n")
    assert exit_code(report, [str(written), str(page)]) == 0
    first = page.read_text()
    assert first.startswith("# Before\n") and first.endswith("\nafter\n") and "old" not in first
    assert "| PyTorch reference |" in first
    assert exit_code(report, [str(written), str(page)]) == 0
    assert page.read_text() == first


def test_a_page_without_marks_is_refused(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{END} {BEGIN}\n")
    assert exit_code(report, [str(written), str(page)]) == 2
    assert f"expected {BEGIN} and {END}, one after the other" in capsys.readouterr().err
    assert page.read_text() == f"{END} {BEGIN}\n"


def test_no_result_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(report, [str(tmp_path / "none.json"), str(tmp_path / "page.md")]) == 2
    assert "none.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "found"),
    [("{", "no JSON"), ("[]", "list"), ('{"seed": 1}', "seed"), ("{}", "nothing")],
)
def test_results_of_something_else_are_refused(
    text: str, found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.json").write_text(text)
    assert exit_code(report, [str(tmp_path / "r.json"), str(tmp_path / "page.md")]) == 2
    assert f"expected a result with machine, avatar, found {found}" in capsys.readouterr().err


def test_picture(result: dict[str, Any], written: Path, tmp_path: Path) -> None:
    draw(result, tmp_path / "direct.png")
    assert exit_code(report, [str(written), str(tmp_path / "written.png")]) == 0
    for name in ("direct.png", "written.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
