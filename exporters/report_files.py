"""``reports/report.json`` and ``report.md`` of an engine directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..contract.manifest import REPORTS_FOLDER, Manifest
from .report import REPORT_JSON, REPORT_MARKDOWN, Report, report_json, report_markdown

COMMAND = "emogene-export build-engines CHECKPOINTS -o DIRECTORY"

_KEPT = ("command", "machine", "end_to_end", "verified_on")
"""What a later report keeps of an earlier one."""


def write_reports(
    folder: Path, manifest: Manifest, reports: Sequence[Report], more: Mapping[str, Any]
) -> None:
    """Write both reports into an engine directory, each by one rename.

    Args:
        more: further top-level entries; those of an earlier report stay unless named here.
    """
    context = {
        "command": COMMAND,
        **_earlier(folder),
        "avatar": manifest.name,
        "checkpoint": manifest.checkpoint,
        "tools": dict(manifest.tools),
        **more,
    }
    (folder / REPORTS_FOLDER).mkdir(exist_ok=True)
    replace_file(folder / REPORTS_FOLDER / REPORT_JSON, report_json(reports, context))
    text = report_markdown(reports, context)
    replace_file(folder / REPORTS_FOLDER / REPORT_MARKDOWN, text.encode())


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it: whoever reads sees the old or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _earlier(folder: Path) -> dict[str, Any]:
    """What the report said of the build; a directory may have lost its report."""
    try:
        plain = json.loads((folder / REPORTS_FOLDER / REPORT_JSON).read_bytes())
    except (OSError, ValueError):
        return {}
    return {n: plain[n] for n in _KEPT if n in plain} if isinstance(plain, dict) else {}
