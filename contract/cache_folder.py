"""Where everything is kept that can be made again: exports, engines, compiled kernels."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "EMOGENE_CACHE"
"""Names another folder for everything the package caches."""


def cache_folder() -> Path:
    """``$EMOGENE_CACHE``, else ``$XDG_CACHE_HOME/emogene``, else ``~/.cache/emogene``."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    users = os.environ.get("XDG_CACHE_HOME")
    return (Path(users) if users else Path.home() / ".cache") / "emogene"
