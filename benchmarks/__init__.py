"""Measurements, not tests: run them on a quiet machine and compare inside one run."""

import importlib.util
import sys
from pathlib import Path

_SOURCES = Path(__file__).resolve().parents[1] / "src"

if importlib.util.find_spec("emogene") is None:  # from a source tree that was not installed
    sys.path.insert(0, str(_SOURCES))
