"""Measurements, not tests: run them on a quiet machine and compare inside one run."""

import importlib.util
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]

if importlib.util.find_spec("emogene") is None:  # from a source tree that was not installed
    sys.path.insert(0, str(_ROOT / "src"))
    if not (_ROOT / "src" / "emogene" / "kernels").is_dir():  # nor kept its links
        import emogene

        emogene.__path__.append(str(_ROOT))
