"""What the documents say to type works: every line, in a folder with the files they speak of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
import typer

from emogene.runtime import commands as runtime_commands
from tests.exporters.authors.checkpoints import write_folders
from tests.speech import spoken

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

MINUTES = ("emogene-train", "emogene-eval")
"""Programs that run for minutes: they are tested elsewhere, here their lines are looked up."""

SLOW = ("python3 -m venv", *MINUTES)
"""README's two commands, which .ci/run runs as they stand, and what takes minutes."""

QUICK = {
    "benchmarks.latency": " --checkpoints checkpoints --engine-dir e --budget 0 --seconds 0.2",
    "benchmarks.live": " --engine-dir e --size 16 --minutes 0.02 --count 2",
}
"""What makes measurements short."""


def blocks(language: str) -> list[tuple[str, str]]:
    """Fenced blocks of all documents as (document, text)."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(d.name, text) for d in DOCUMENTS for text in pattern.findall(d.read_text())]


COMMANDS = [
    (name, line.split("  #")[0].strip())
    for name, text in blocks("sh")
    for line in text.splitlines()
    if line.strip() and not line.startswith(SLOW)
]

MADE = {
    made: command
    for _, command in COMMANDS
    for made in re.findall(r"-o (may/)", command)
    if command.startswith("emogene-export build-engines")
}
"""Folders that one line makes and others read."""


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoints: Path, tiny_engines: Path
) -> Path:
    """``speech.wav``, ``.mp3`` and ``.raw``, ``track.csv``, ``checkpoints/``, ``e/``, what is
    imported and the programs that are printed, as the documents assume."""
    import soundfile

    made = tmp_path_factory.mktemp("documents")
    speech = spoken("Hello.")
    soundfile.write(made / "speech.wav", speech, 16_000)
    soundfile.write(made / "speech.mp3", speech, 16_000)
    soundfile.write(made / "speech.raw", speech, 16_000, "PCM_16", format="RAW")
    (made / "track.csv").write_text(blocks("csv")[0][1])
    shutil.copytree(tiny_checkpoints, made / "checkpoints")
    shutil.copytree(tiny_engines, made / "e")
    (made / "benchmarks").symlink_to(ROOT / "benchmarks")
    (made / "examples").symlink_to(ROOT / "examples")
    for language, name in (("c", "hello.c"), ("cpp", "hello.cpp")):
        ((_, program),) = blocks(language)
        (made / name).write_text(program)
    _published(made)
    return made


def _published(root: Path) -> None:
    """``theirs/`` as the published code lays it out, and ``hubert/``, with random numbers."""
    folders = write_folders(root / "published")
    run, theirs = folders.torso.parent, root / "theirs"
    for place, path in {
        "checkpoints/audio2motion_vae": folders.a2m,
        "checkpoints/mead/lm_deformation": folders.lm_deform,
        "checkpoints/motion2video_nerf/may_head": folders.head,
        "checkpoints/motion2video_nerf/may_torso": folders.torso,
        "data/binary/videos/may/trainval_dataset.npy": folders.dataset,
        "deep_3drecon/BFM": folders.bfm,
    }.items():
        (theirs / place).parent.mkdir(parents=True, exist_ok=True)
        path.rename(theirs / place)
    folders.hubert.rename(root / "hubert")
    run.rmdir()


def _run(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a line, after the line that makes a folder it reads."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    _make_what_is_read(command, folder)
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=os.environ | {"PATH": programs, "EMOGENE_CACHE": str(folder / "cache")},
        capture_output=True,
        check=False,
    )


def _make_what_is_read(text: str, folder: Path) -> None:
    for made, command in MADE.items():
        read = re.search(rf"(?<![\w/]){made}", text) and command != text
        if read and not (folder / made).exists():
            assert _run(command, folder).returncode == 0, command


@pytest.mark.parametrize(("document", "command"), COMMANDS)
def test_command(document: str, command: str, folder: Path) -> None:
    command += next((QUICK[p] for p in QUICK if command.startswith(f"python -m {p}")), "")
    done = _run(command, folder)
    assert done.returncode == 0, f"{document}: {command}\n{done.stderr.decode()}"


@pytest.mark.parametrize(("document", "text"), blocks("python"))
def test_program(document: str, text: str, folder: Path) -> None:
    _make_what_is_read(text, folder)
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{document}:\n{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", document.read_text())
    missing = []
    for path, heading in targets:
        target = document.parent / path if path else document
        if not target.exists() or (heading and heading not in headings(target)):
            missing.append(f"{path}#{heading}")
    assert not missing, missing


def headings(document: Path) -> set[str]:
    """A document's headings as links name them."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_option_of_emogene_run_is_told_of() -> None:
    command = typer.main.get_command(runtime_commands.app)
    told = "".join((ROOT / "docs" / name).read_text() for name in ("running.md", "live.md"))
    names = [parameter.opts for parameter in command.params if parameter.name != "version"]
    untold = [opts for opts in names if not any(f"`{name}" in told for name in opts)]
    assert not [opts for opts in untold if opts[0].startswith("-")], untold


@pytest.mark.parametrize("program", MINUTES)
def test_lines_that_are_not_run_exist(program: str) -> None:
    """They name commands and options that the program's help knows."""
    lines = [
        line.split("  #")[0].split()[1:]
        for _, text in blocks("sh")
        for line in text.splitlines()
        if line.startswith(program)
    ]
    assert lines
    for words in lines:
        command = list(takewhile(str.isalnum, words))  # paths hold dots and slashes
        done = subprocess.run(
            [Path(sys.executable).with_name(program), *command, "--help"],
            capture_output=True,
            text=True,
            env=os.environ | {"COLUMNS": "200"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        options = [word for word in words if word.startswith("-")]
        assert all(option in done.stdout for option in options), (words, done.stdout)
