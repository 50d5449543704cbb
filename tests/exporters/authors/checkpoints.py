"""Checkpoints as the published code writes them: true names, layouts and types, random numbers.

Either small, where the published settings allow (grids, hidden layers, pictures, the speech
encoder, the face model), or of their full size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from emogene.exporters.authors.config import Settings
from emogene.exporters.authors.constants import constants
from emogene.exporters.authors.face_model import IBUG_FROM_MEDIAPIPE
from emogene.exporters.authors.models import field_dimensions
from emogene.exporters.authors.shapes import audio_to_motion_shapes, field_shapes
from emogene.reference.authors import authors_audio_to_motion, occupancy_from_morton
from emogene.reference.deformation import DeformationConfig, LandmarkDeformation
from tests.reference.tables import INTEGERS

PICTURE = 32
FRAMES = 40
FEATURES = 32

PUBLISHED: dict[str, Any] = {
    "cond_type": "idexp_lm3d_normalized",
    "with_sr": True,
    "smo_win_size": 3,
    "add_eye_blink_cond": True,
    "eye_blink_dim": 8,
    "torso_head_aware": True,
}
"""What a published torso's config.yaml says where it differs from the defaults."""

SETTINGS: dict[str, Any] = {
    **PUBLISHED,
    "individual_embedding_num": 50,
    "desired_resolution": 64,
    "log2_hashmap_size": 9,
    "hidden_dim_ambient": 16,
    "hidden_dim_sigma": 16,
    "hidden_dim_color": 16,
    "geo_feat_dim": 8,
    "grid_size": 16,
}
"""The same of a small one."""


@dataclass(frozen=True)
class Size:
    """How large everything is that the published settings leave open.

    Attributes:
        picture: side of the film's pictures, pixels.
        frames: of the film.
        vertices: of the face model.
        settings: what the torso's config.yaml says where it differs from the defaults.
        hubert: arguments of transformers' ``HubertConfig``; its ``hidden_size`` is what
            audio-to-motion takes.
    """

    picture: int
    frames: int
    vertices: int
    settings: Mapping[str, Any]
    hubert: Mapping[str, Any]


SMALL = Size(
    PICTURE,
    FRAMES,
    480,
    SETTINGS,
    {
        "hidden_size": FEATURES,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "conv_dim": (8, 8, 12, 12, 16, 16, 16),
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 4,
    },
)

FULL = Size(
    512,
    6_000,
    35_709,
    PUBLISHED,
    {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
)
"""As published: HuBERT-large, a film of four minutes at 512², the face model's mesh."""


@dataclass(frozen=True)
class Folders:
    """Everything `emogene-export import` is given."""

    a2m: Path
    lm_deform: Path
    head: Path
    torso: Path
    dataset: Path
    bfm: Path
    hubert: Path

    def arguments(self) -> list[str]:
        """The options of the command."""
        named = {
            "--a2m": self.a2m,
            "--lm-deform": self.lm_deform,
            "--head": self.head,
            "--torso": self.torso,
            "--dataset": self.dataset,
            "--bfm": self.bfm,
            "--hubert": self.hubert,
        }
        return [word for option, path in named.items() for word in (option, str(path))]


def folders_in(root: Path) -> Folders:
    """Where `write_folders` puts everything."""
    return Folders(
        root / "audio2motion_vae",
        root / "lm_deformation",
        root / "person_head",
        root / "person_torso",
        root / "trainval_dataset.npy",
        root / "BFM",
        root / "hubert",
    )


def write_folders(root: Path, size: Size = SMALL, motion: int = 64, pitch: bool = True) -> Folders:
    """A whole set of one person in a new folder."""
    root.mkdir(parents=True, exist_ok=True)
    folders = folders_in(root)
    config = authors_audio_to_motion(motion, features=size.hubert["hidden_size"], pitch=pitch)
    write_run(folders.a2m, random_model(audio_to_motion_shapes(config)), {"use_flow": True})
    regressor = LandmarkDeformation(DeformationConfig()).state_dict()
    shapes = {name: tuple(t.shape) for name, t in regressor.items()}
    write_run(folders.lm_deform, random_model(shapes), {"num_emotions": 8})
    torso = torso_model(size.settings, size.picture)
    write_run(folders.torso, torso, size.settings)
    write_run(folders.head, torso, size.settings)
    write_dataset(folders.dataset, dataset_fields(size.frames, size.picture))
    write_face_model(folders.bfm, size.vertices)
    write_hubert(folders.hubert, size.hubert)
    return folders


def write_run(
    folder: Path,
    model: Mapping[str, torch.Tensor],
    settings: Mapping[str, Any],
    step: int = 250_000,
    flat: bool = False,
) -> Path:
    """A training run's folder with one checkpoint and its settings."""
    folder.mkdir(parents=True, exist_ok=True)
    nested: dict[str, Any] = {"model": dict(model)}
    state = {f"model.{name}": t for name, t in model.items()} if flat else nested
    path = folder / f"model_ckpt_steps_{step}.ckpt"
    torch.save(
        {
            "epoch": 3,
            "global_step": step,
            "checkpoint_callback_best": np.float64(0.25),
            "optimizer_states": [{"state": {0: {"step": 1.0}}, "param_groups": [{"lr": 5e-4}]}],
            "state_dict": state,
        },
        path,
    )
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(settings)), "utf-8")
    return path


def random_model(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, torch.Tensor]:
    """Random tensors of these names and shapes, with the types that the published ones have."""
    generator = torch.Generator().manual_seed(seed)
    model = {}
    for name, shape in shapes.items():
        dtype = INTEGERS.get(name.rsplit(".", 1)[-1])
        if dtype is not None:
            model[name] = torch.zeros(shape, dtype=dtype)
            continue
        width = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        model[name] = torch.randn(shape, generator=generator) * width**-0.5
        if name.endswith("running_var"):
            model[name] = model[name].abs() + 0.5
    return model


def torso_model(
    settings: Mapping[str, Any] = SETTINGS, picture: int = PICTURE, *, alone: bool = False
) -> dict[str, torch.Tensor]:
    """A torso's checkpoint with a head that is there: a ball, and shoulders below it.

    Args:
        alone: a head's own checkpoint, without the shoulders.
    """
    field = field_dimensions(Settings(settings, "settings"), picture, alone=alone)
    model = random_model(field_shapes(field)) | constants(field)
    n = field.head.occupancy
    centre = (np.arange(n) + 0.5) / n * 2 - 1
    x, y, z = np.meshgrid(centre, centre, centre, indexing="ij")
    inside = (x**2 + (2 * y) ** 2 + z**2 < 0.36).transpose(2, 1, 0)
    model["density_bitfield"] = morton_bits(inside)
    # Dense where it is, so that one sees it.
    model["sigma_net.net.2.weight"][0] = model["sigma_net.net.2.weight"][0].abs() * 12
    for name in ("position_embedder", "ambient_embedder"):
        model[f"{name}.embeddings"] *= 2.0
    for block in ("block0", "block1") if field.torso.super_resolution else ():
        # Else what random weights add saturates every pixel.
        model[f"sr_net.{block}.torgb.weight"] *= 0.1
        model[f"sr_net.{block}.torgb.bias"] *= 0.05
    if alone:
        if field.torso.super_resolution:
            model["lambda_ambient"] = torch.ones(1)
        return model
    column, row = np.mgrid[: field.torso.mask, : field.torso.mask] / (field.torso.mask - 1)
    shoulders = (row > 0.7) & (np.abs(column - 0.5) < row - 0.5)
    model["density_grid_torso"] = torch.from_numpy(shoulders.astype(np.float32)).reshape(-1)
    model["torso_embedder.embeddings"] *= 2.0
    return model


def morton_bits(cells: NDArray[np.bool_]) -> torch.Tensor:
    """Occupied cells [z, y, x] → the published bits in Morton order."""
    n = len(cells)
    bit = np.arange(n**3)
    x, y, z = (
        sum(((bit >> (3 * k + axis)) & 1) << k for k in range(n.bit_length())) for axis in range(3)
    )
    place = (z * n + y) * n + x
    bits = np.packbits(cells.reshape(-1)[place], bitorder="little")
    made = torch.from_numpy(bits)
    ours = np.unpackbits(occupancy_from_morton(made, n).numpy(), bitorder="little")
    assert np.array_equal(ours.astype(bool), cells.reshape(-1))
    return made


def dataset_fields(frames: int = FRAMES, size: int = PICTURE) -> dict[str, Any]:
    """The dictionary that the published binarizer stores."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:size, :size] * 160 / size + rng.integers(0, 48, (2, size, size))
    behind = np.stack([rows, columns, 200 - rows], axis=2).astype(np.uint8)
    euler = np.cumsum(rng.normal(0, 0.01, (frames, 3)), axis=0).astype(np.float32)
    trans = rng.normal(0, 0.02, (frames, 3)).astype(np.float32) + np.float32([0, 0, -10])
    cameras = np.stack([_camera(e, t) for e, t in zip(euler, trans, strict=True)])
    samples = [
        {
            "idx": i,
            "gt_img_fname": f"com_imgs/{i:08d}.jpg",
            "face_rect": np.array([4, 20, 4, 20]),
            "lip_rect": [8, 16, 12, 18],
            "c2w": cameras[i],
        }
        for i in range(frames)
    ]
    split = frames // 11 * 10
    return {
        "H": size,
        "W": size,
        "focal": 1015.0,
        "cx": 112.0,
        "cy": 112.0,
        "bg_img": behind,
        "id": np.repeat(rng.normal(0, 0.5, (1, 80)), frames, axis=0).astype(np.float32),
        "exp": rng.normal(0, 0.5, (frames, 64)).astype(np.float32),
        "euler": euler,
        "trans": trans,
        "eye_area_percent": rng.uniform(0.1, 0.4, frames),
        "idexp_lm3d_mean": np.zeros(204, np.float32),
        "idexp_lm3d_std": np.ones(204, np.float32),
        "f0": np.asfortranarray(rng.normal(size=(4, 3))),
        "train_samples": samples[:split],
        "val_samples": samples[split:],
    }


def write_dataset(path: Path, fields: Mapping[str, Any] | None = None) -> None:
    """``trainval_dataset.npy``, pickled as the published binarizer does it."""
    np.save(path, dict(fields or dataset_fields()), allow_pickle=True)  # type: ignore[arg-type]


def _camera(euler: NDArray[np.float32], trans: NDArray[np.float32]) -> NDArray[np.float32]:
    a, b, c = euler.astype(np.float64)
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    turn = rz @ ry @ rx
    camera = np.eye(4)
    camera[:3, :3] = turn.T
    camera[:3, 3] = -turn.T @ (trans / 10)
    return camera.astype(np.float32)


def write_face_model(folder: Path, count: int = SMALL.vertices) -> None:
    """A face model of ``count`` vertices, in the published files."""
    from scipy.io import savemat

    from emogene.reference.tiny import neutral_face

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2)
    mean = rng.normal(0, 0.5, (count, 3))
    vertices = np.arange(468, dtype=np.int64) + 7
    vertices[list(IBUG_FROM_MEDIAPIPE)] = np.arange(68)
    mean[:68] = neutral_face()
    mean -= mean.mean(axis=0)
    savemat(
        folder / "BFM_model_front.mat",
        {
            "meanshape": mean.reshape(1, -1),
            "idBase": rng.normal(0, 0.02, (3 * count, 80)),
            "exBase": rng.normal(0, 0.02, (3 * count, 64)),
            "texBase": rng.normal(0, 1, (3 * count, 2)),
        },
    )
    np.save(folder / "index_mp468_from_mesh35709.npy", vertices)


def write_hubert(folder: Path, size: Mapping[str, Any] = SMALL.hubert) -> None:
    """A speech encoder as transformers stores it."""
    from transformers import HubertConfig, HubertModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = HubertModel(
            HubertConfig(
                **size, conv_bias=True, feat_extract_norm="layer", do_stable_layer_norm=True
            )
        )
    model.save_pretrained(folder)
