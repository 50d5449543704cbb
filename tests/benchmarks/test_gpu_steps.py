"""Steps of the GPU benchmark that fail, crash or never end: others are done, nothing is lost."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from benchmarks.gpu import run
from benchmarks.gpu.steps import SCENES, Options, Step, steps

from emogene.kernels.gpu.kinds import KINDS

from .doers import make

LONG = 600.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def planned(monkeypatch: pytest.MonkeyPatch, *made: Step) -> None:
    monkeypatch.setattr(run, "steps", lambda options: iter(made))


@pytest.mark.parametrize("apart", [True, False])
def test_what_fails_does_not_stop_the_others(
    apart: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(
        monkeypatch,
        Step("one", "fine"),
        Step("two", "refuse"),
        Step("three", "stumble"),
        Step("four", "fine", needs="one"),
        Step("five", "fine", needs="two"),
    )
    result = run.measure(Options(seconds=LONG, seed=1, apart=apart), folder / "r.json", make)
    assert result["given_up"] == [
        {"name": "two", "why": "cuMemAlloc: expected success, found CUDA error 700"},
        {"name": "three", "why": "RuntimeError: out of memory"},
    ]
    # What they told before counts.
    told = [check["name"] for check in result["checks"]]
    assert told == ["fine began", "refuse began", "stumble began", "fine began"]
    assert result["skipped"] == ["five: two was given up"] and not run.right(result)
    here = [check["found"] for check in result["checks"]]
    if apart:
        assert here[0] == here[1] and len({*here[1:], str(os.getpid())}) == 4
    assert (folder / "closed").exists()
    assert json.loads((folder / "r.json").read_text()) == result


@pytest.mark.parametrize(("how", "why"), [("hang", "took longer than 1 s"), ("crash", "code -6")])
def test_a_process_that_does_not_come_back(
    how: str, why: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(monkeypatch, Step("bad", how, seconds=1), Step("good", "fine", seconds=LONG))
    result = run.measure(Options(seconds=LONG, seed=1), folder / "r.json", make)
    (lost,) = result["given_up"]
    # A second may be too short to begin; then, too, it is given up.
    assert lost["name"] == "bad" and (why in lost["why"] or lost["why"] == "took longer than 1 s")
    assert [s["outcome"] for s in result["steps"]][1] == "done" and result["torch"] == "fine"
    assert json.loads((folder / "r.json").read_text()) == result


def test_every_step_is_written_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(monkeypatch, Step("one", "fine"), Step("two", "fine"))
    seen: list[int] = []
    real = run._do

    def watched(doer: Any, step: Step, left: float, result: Any) -> None:
        if (folder / "r.json").exists():
            seen.append(len(json.loads((folder / "r.json").read_text())["steps"]))
        real(doer, step, left, result)

    monkeypatch.setattr(run, "_do", watched)
    run.measure(Options(seconds=LONG, seed=1, apart=False), folder / "r.json", make)
    assert seen == [1]


def test_what_there_is_no_time_for_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(monkeypatch, Step("one", "fine"), Step("two", "fine"))
    result = run.measure(Options(seconds=0, seed=1), folder / "r.json", make)
    assert result["skipped"] == ["one: the time was over", "two: the time was over"]
    assert run.right(result)


def test_the_order() -> None:
    """Proofs of every kind first, then the size that goals are for."""
    made = list(steps(Options()))
    names = [step.name for step in made]
    assert len(set(names)) == len(names)
    proofs = [f"{kind}, {scene}" for kind in KINDS for scene in SCENES]
    first = names.index("PyTorch's arrays")
    assert names[first - len(proofs) : first] == proofs and names[first + 1] == "peaks"
    sizes = [name[-4:-1] for name in names if name.startswith("plain") and name.endswith("²")]
    assert sizes == ["512"] * 2 + ["256"] * 2 + ["024"] * 2
    references = [f"reference, {scene}" for scene in SCENES]
    assert {step.needs for step in made} == {"", *references, *proofs}
    for step in made:  # what is needed was done before
        assert not step.needs or names.index(step.needs) < names.index(step.name)
    assert [s.name for s in steps(Options(checks_only=True))] == names[: first + 1]
