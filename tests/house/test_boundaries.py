"""Who may import whom, checked on the sources and once more in a bare process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys

REFUSED = {"torch", "onnx", "onnxscript", "transformers", "librosa", "numba", "scipy"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ImportError(f"{name} must not be imported here")

sys.meta_path.insert(0, Refuse())
import emogene
for part in ("contract", "kernels", "runtime", "capi"):
    package = importlib.import_module(f"emogene.{part}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        print(module.name)
"""


def test_parts_import_downwards_only() -> None:
    command = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout, done.stdout


def test_product_parts_import_without_training_frameworks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    imported = done.stdout.split()
    assert {"emogene.contract.manifest", "emogene.runtime.session"} <= set(imported)


def test_every_part_of_the_package_is_a_link_to_its_folder() -> None:
    package = ROOT / "src" / "emogene"
    parts = {path.name: path for path in package.iterdir() if path.is_symlink()}
    assert set(parts) == {
        "contract",
        "kernels",
        "runtime",
        "reference",
        "training",
        "evaluation",
        "exporters",
        "capi",
    }
    assert all(path.resolve() == ROOT / name for name, path in parts.items())
