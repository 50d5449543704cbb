"""What tensors a published model has, and what it means when one is missing or misshapen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...contract.errors import BadCheckpoint

Table = Mapping[str, tuple[int, ...]]

SHOWN = 12
"""Tensors of one meaning that are named one by one; of more, their number is told."""


@dataclass(frozen=True)
class Meaning:
    """A part of a model: how its tensors' names begin, what it is, what decides its shapes."""

    prefix: str
    what: str
    decided_by: str


MEANINGS: tuple[Meaning, ...] = (
    Meaning("mouth_amp_embed", "amplitude of the mouth", "use_mouth_amp_embed of --a2m"),
    Meaning("eye_amp_embed", "amplitude of the eyes", "use_eye_amp_embed of --a2m"),
    Meaning("blink_embed.", "blinks in audio-to-motion", "whether the model hears pitch"),
    Meaning("mel_encoder.", "speech features", "the HuBERT it was trained with (1024: large)"),
    Meaning("pitch_", "pitch", "whether the model hears pitch (PitchContourVAEModel)"),
    Meaning("cond_proj.", "speech, pitch and amplitudes joined", "the amplitudes that are used"),
    Meaning("vae.prior_flow.", "the prior's flow", "use_prior_flow when it was trained"),
    Meaning("vae.decoder.out_proj.", "what is spoken: 64, 144 or 204 numbers", "in_out_dim"),
    Meaning("vae.", "the variational auto-encoder", "nothing: it is the same in all models"),
    Meaning("emotion_embedding.", "the eight emotions", "nothing: they are eight"),
    Meaning("regressor.", "landmark deformation", "nothing: it is the same in all models"),
    Meaning("individual_embeddings", "appearance codes", "individual_embedding_num and _dim"),
    Meaning("density_", "where the head or torso is", "grid_size"),
    Meaning("cond_prenet.", "the condition's encoder", "cond_out_dim, nerf_keypoint_mode lm68"),
    Meaning("cond_att_net.", "attention over the window", "smo_win_size (3 with_sr, else 5)"),
    Meaning(
        "blink_",
        "how far eyes are open",
        "add_eye_blink_cond and eye_blink_dim, which differ between published head and torso "
        "configurations (2, 4, 8): take the config.yaml this checkpoint was trained with",
    ),
    Meaning("position_embedder.", "the head's grid", "log2_hashmap_size, desired_resolution"),
    Meaning("ambient_embedder.", "the ambient grid", "ambient_coord_dim, log2_hashmap_size"),
    Meaning("ambient_net.", "the ambient network", "hidden_dim_ambient, ambient_coord_dim"),
    Meaning("sigma_net.", "the density network", "hidden_dim_sigma, geo_feat_dim"),
    Meaning("color_net.", "the colour network", "hidden_dim_color, individual_embedding_dim"),
    Meaning("torso_individual_codes", "torso's appearance", "torso_individual_embedding_dim"),
    Meaning("head_color_weights_encoder.", "what the torso sees of the head", "torso_head_aware"),
    Meaning("torso_embedder.", "the torso's grid", "nothing: it is the same in all models"),
    Meaning(
        "torso_",
        "the torso's networks",
        "with_sr, torso_head_aware and torso_individual_embedding_dim",
    ),
    Meaning("sr_net.", "super-resolution", "with_sr"),
    Meaning("lambda_ambient", "a weight of training", "with_sr in a head without torso"),
)
"""By prefix; the first that fits counts."""

WHOLE = ("num_batches_tracked", "offsets", "step_counter")
"""Tensors of whole numbers, by the last part of their name."""

KINDS = {"float": "floating-point numbers", "whole": "whole numbers", "bytes": "bytes"}
"""What a tensor holds."""


def check_tensors(
    tensors: Mapping[str, Tensor],
    wanted: Table,
    where: str,
    *,
    unread: Iterable[str] = (),
) -> None:
    """Refuse a model whose tensors are not those its settings call for, naming every one.

    Args:
        wanted: shapes by name.
        unread: names that may be there, missing, or of any shape, since nothing reads them.

    Raises:
        BadCheckpoint: what is missing, unexpected and misshapen, with what each means.
    """
    skipped = frozenset(unread)
    missing = [name for name in wanted if name not in tensors and name not in skipped]
    unexpected = [name for name in tensors if name not in wanted and name not in skipped]
    shaped = [
        name
        for name, shape in wanted.items()
        if name in tensors and name not in skipped and tuple(tensors[name].shape) != shape
    ]
    said = _told("missing", {n: "" for n in missing})
    said += _told("unexpected", {n: "" for n in unexpected})
    said += _told(
        "misshapen",
        {n: f" {tuple(tensors[n].shape)} instead of {wanted[n]}" for n in shaped},
    )
    for name in (n for n in wanted if n in tensors and n not in skipped):
        tensor, kind = tensors[name], _kind(name)
        if tensor.is_floating_point() != (kind == "float") or (
            kind == "bytes" and tensor.dtype != torch.uint8
        ):
            said.append(f"{name} is {tensor.dtype}, not {KINDS[kind]}")
        # They are computed with as float32, whatever they are stored as.
        elif not bool(tensor.float().isfinite().all()):
            said.append(f"{name} holds numbers that are not finite")
    if said:
        raise BadCheckpoint(
            where,
            expected=f"the {len(wanted)} tensors its config.yaml calls for",
            found="; ".join(said),
            remedy="keep every checkpoint together with its own config.yaml",
        )


def _kind(name: str) -> str:
    last = name.rpartition(".")[2]
    return "bytes" if last == "density_bitfield" else "whole" if last in WHOLE else "float"


def _told(problem: str, details: Mapping[str, str]) -> list[str]:
    """One line for each meaning that has this problem."""
    groups: dict[Meaning | None, list[str]] = {}
    for name, detail in details.items():
        meaning = next((m for m in MEANINGS if name.startswith(m.prefix)), None)
        groups.setdefault(meaning, []).append(name + detail)
    lines = []
    for meaning, names in groups.items():
        shown = ", ".join(names[:SHOWN])
        if len(names) > SHOWN:
            shown += f" and {len(names) - SHOWN} more"
        explained = (
            f" ({meaning.what}; decided by {meaning.decided_by})"
            if meaning
            else " (of no published model)"
        )
        lines.append(f"{problem} {shown}{explained}")
    return lines
