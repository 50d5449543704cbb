"""The paper's tables on our held-out material, as Markdown and JSON, and frames to look at."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..contract.emotions import EMOTIONS
from ..contract.errors import BadInput, BadOption
from .avatar import Evaluation, Told, flat
from .contact_sheet import contact_sheet
from .material import Material
from .output import shown
from .rows import FULL, TRUE
from .targets import verdicts
from .video import evaluate_video
from .video_task import VideoTask

Figures = Mapping[str, float | bool]

MARKDOWN, FIGURES, SHEET = "tables.md", "figures.json", "contact_sheet.jpg"

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
"""Lines of a page between which `write_page` puts the tables."""

_METHOD_COLUMNS = {
    "PSNR ↑": "psnr",
    "SSIM ↑": "ssim",
    "LMD ↓": "lmd",
    "mouth LMD ↓": "lmd.mouth",
    "emotion ↑": "emotion_accuracy",
    "sync offset": "sync_offset_frames",
    "sync confidence ↑": "sync_confidence",
    "Fréchet DCT ↓": "frechet.dct",
    "FID ↓": "fid",
}


def read_methods(arguments: Sequence[str]) -> dict[str, VideoTask]:
    """``NAME=VIDEO:REFERENCE`` → what to compare.

    Raises:
        BadOption: an argument has another form.
    """
    tasks = {}
    for argument in arguments:
        found = re.fullmatch(r"([^=]+)=([^:]+):([^:]+)", argument)
        if found is None:
            raise BadOption(
                "--method",
                expected="NAME=VIDEO:REFERENCE",
                found=repr(argument),
                remedy="for instance Wav2Lip=wav2lip.mp4:true.mp4",
            )
        name, video, reference = found.groups()
        tasks[name] = VideoTask(Path(video), Path(reference))
    return tasks


def judged_methods(
    tasks: Mapping[str, VideoTask], inception: Path | None, told: Told
) -> dict[str, Figures]:
    """The figures of other methods' videos."""
    judged: dict[str, Figures] = {}
    for name, task in tasks.items():
        told(f"{name}: {task.video}")
        judged[name], _ = evaluate_video(replace(task, inception=inception))
    return judged


def write_tables(
    folder: Path, name: str, found: Evaluation, others: Mapping[str, Figures], material: Material
) -> None:
    """Write ``tables.md``, ``figures.json`` and ``contact_sheet.jpg`` to `folder`.

    Args:
        name: of the avatar.
        others: other methods' figures, see `video.evaluate_video`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    everything = found.plain()
    for row in found.rows:
        everything |= flat({f"row.{row.name}.{k}": v for k, v in row.figures.items()}, {})
    for method, figures in others.items():
        everything |= flat({f"row.{method}.{k}": v for k, v in figures.items()}, {})
    text = json.dumps(everything, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / FIGURES).write_text(text + "\n", "utf-8")
    (folder / MARKDOWN).write_text(markdown(name, found, others, material), "utf-8")
    contact_sheet(found, material.film).save(folder / SHEET, quality=88)


def write_page(page: Path, folder: Path) -> None:
    """Put the tables of `folder` between the marks of `page`, the sheet in ``pictures/`` by it.

    Raises:
        BadInput: the page cannot be read or has no marks.
    """
    try:
        text = page.read_text("utf-8")
    except OSError as error:
        raise BadInput(str(page), expected="a page", found=error.strerror or str(error)) from None
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise BadInput(str(page), expected=f"the lines {BEGIN} and {END} once", found="none")
    picture = page.parent / "pictures" / "evaluation.jpg"
    picture.parent.mkdir(exist_ok=True)
    shutil.copyfile(folder / SHEET, picture)
    tables = (folder / MARKDOWN).read_text("utf-8")
    tables = tables.replace(f"({SHEET})", f"(pictures/{picture.name})")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}", "utf-8")


def markdown(
    name: str, found: Evaluation, others: Mapping[str, Figures], material: Material
) -> str:
    """All tables as one text, its headings of the second level."""
    film, speech = material.film, material.corpus
    minutes = sum(one.seconds for one in speech.held_out) / 60
    parts = [
        f"Avatar “{name}”, {len(film)} frames of film at {film.camera.size}², "
        f"{minutes:.1f} minutes of held-out sentences, as much by held-out voices.",
        "## Targets",
        _target_table(found.figures),
        "## Methods (the paper's Table I)",
        "Ours are made from held-out sound with the film's head poses; “true landmarks” is what "
        "the fields reach alone, “one face for all” what a still face scores. "
        + _fid_note(found, others),
        _method_table(found, others),
        "## Landmark deformation (the paper's Table III)",
        "LMD in pixels of 512² against the rig's emotional face, and how often the emotion probe "
        "names the emotion from the landmarks.",
        _deformation_table(found.figures),
        "## Frames",
        "From the left: film; rendered from its true landmarks; from its sound; without "
        "deformation; and sessions on other sentences.",
        f"![Frames of all emotions]({SHEET})",
    ]
    return "\n\n".join(parts) + "\n"


def _target_table(figures: Figures) -> str:
    rows = [
        (
            verdict.target.what,
            f"{'≥' if verdict.target.side == 'at least' else '≤'} "
            f"{verdict.target.bound:g} {verdict.target.unit}".rstrip(),
            shown(verdict.value),
            "reached" if verdict.reached else "missed",
        )
        for verdict in verdicts(figures)
    ]
    return _table(("what", "bound", "found", ""), rows)


def _method_table(found: Evaluation, others: Mapping[str, Figures]) -> str:
    methods: dict[str, Figures] = {f"EmoGene, {row.name}": row.figures for row in found.rows}
    full, true = (f"EmoGene, {name}" for name in (FULL, TRUE))
    for key in ("fid", "sync_offset_frames", "sync_confidence"):
        if key in found.figures:
            methods[full] = {**methods[full], key: found.figures[key]}
    if "sync_confidence.true" in found.figures:
        confidence = found.figures["sync_confidence.true"]
        methods[true] = {**methods[true], "sync_confidence": confidence}
    for name, figures in others.items():
        named = figures.get("emotion_accuracy.pixels", float("nan"))
        methods[name] = {**figures, "emotion_accuracy": named}
    columns = {
        title: key
        for title, key in _METHOD_COLUMNS.items()
        if any(key in figures for figures in methods.values())
    }
    rows = [
        (name, *(shown(figures.get(key, float("nan"))) for key in columns.values()))
        for name, figures in methods.items()
    ]
    return _table(("method", *columns), rows)


def _deformation_table(figures: Figures) -> str:
    probe = "emotion_probe_accuracy.landmarks"
    keys = [
        ("lmd.{}.without_deformation", "LMD without"),
        ("lmd.{}", "LMD with"),
        ("lmd.{}.mouth.without_deformation", "mouth without"),
        ("lmd.{}.mouth", "mouth with"),
        (probe + ".{}.without_deformation", "named without"),
        (probe + ".{}", "named with"),
        ("closure.{}", "p, b, m closed"),
    ]
    rows = [
        (emotion, *(shown(figures[key.format(emotion)]) for key, _ in keys)) for emotion in EMOTIONS
    ]
    return _table(("emotion", *(title for _, title in keys)), rows)


def _fid_note(found: Evaluation, others: Mapping[str, Figures]) -> str:
    note = "Fréchet DCT is the Fréchet distance of 8 × 8 cosine coefficients of 64² luma, not FID."
    if "fid" not in found.figures:
        note += " FID needs an Inception network (`--inception`), which was not given."
    if others:
        note += " Other methods were judged beside their own references."
    return note


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
