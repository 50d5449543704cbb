"""The wheel holds what a user needs and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = (
    *("contract", "kernels", "runtime", "capi"),
    *("reference", "training", "evaluation", "exporters"),
)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Paths inside a freshly built wheel."""
    out = tmp_path_factory.mktemp("wheel")
    options = [
        "--no-deps",
        "--no-build-isolation",
        "-q",
        f"-Cbuild-dir={out}/build",
        "-w",
        str(out),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", str(ROOT), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    assert re.fullmatch(r"emogene-[\d.]+-py3-none-\w+\.whl", wheel.name), wheel.name
    return zipfile.ZipFile(wheel).namelist()


def test_every_source_of_every_part_is_in_it(names: list[str]) -> None:
    parts = PARTS
    tracked = subprocess.run(
        ["git", "ls-files", "--", *parts], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = {f"emogene/{name}" for name in tracked} | {"emogene/__init__.py"}
    assert wanted <= set(names), sorted(wanted - set(names))


def test_nothing_else_is_in_it(names: list[str]) -> None:
    parts = f"({'|'.join(PARTS)})"
    allowed = rf"emogene/__init__\.py|emogene/{parts}/.+|emogene-[\d.]+\.dist-info/.+"
    odd = [n for n in names if not re.fullmatch(allowed, n)]
    assert not odd, odd
    assert not [n for n in names if "__pycache__" in n or n.startswith("tests")]


def test_the_libraries_stand_in_their_folders(names: list[str]) -> None:
    assert sorted(n for n in names if n.endswith(".so")) == [
        "emogene/capi/lib/libemogene.so",
        "emogene/kernels/lib/libemogene_kernels.so",
    ]
    assert len(names) == len(set(names))
