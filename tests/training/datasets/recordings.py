"""Recordings that tests make: videos, talking faces whose poses are known, small encoders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emogene.contract.units import SAMPLE_RATE
from emogene.training.datasets.generic_face import GENERIC_FACE
from emogene.training.demo.head.camera import pose

Float32 = NDArray[np.float32]

WIDTH, HEIGHT, FOCAL = 160, 120, 240.0


def write_video(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    rate: int = 25,
    sound: Float32 | None = None,
    late: float = 0.0,
    times: Iterable[float] | None = None,
) -> Path:
    """An H.264 (and AAC) file, `pictures` (H, W, 3) at `rate`, or shown at `times` seconds.

    `late` seconds pass before the sound begins.
    """
    from fractions import Fraction

    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = list(pictures)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": "14", "preset": "veryfast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        voice = None if sound is None else file.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        shown = None if times is None else [round(1000 * t) for t in times]
        if shown is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if shown is not None:
                frame.pts, frame.time_base = shown[k], Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if voice is not None:
            _write_sound(file, voice, sound, late)
    return path


def write_sound(path: Path, sound: Float32) -> Path:
    """An AAC file."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        _write_sound(file, file.add_stream("aac", rate=SAMPLE_RATE, layout="mono"), sound)
    return path


def _write_sound(file, voice, sound, late: float = 0.0) -> None:
    from fractions import Fraction

    import av

    frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
    frame.sample_rate = SAMPLE_RATE
    # Without a time the encoder's delay would become a delay of the sound.
    frame.pts, frame.time_base = round(late * SAMPLE_RATE), Fraction(1, SAMPLE_RATE)
    file.mux(voice.encode(frame))
    file.mux(voice.encode())


def turning(frames: int, seed: int = 0, yaw: float = 0.3) -> Float32:
    """(F, 3, 4) poses of a head that looks around slowly."""
    t = np.arange(frames) / 25 + 10 * seed
    shift = np.stack([0.1 * np.sin(t), 0.05 * np.cos(1.3 * t), 0.2 * np.sin(0.7 * t)], -1)
    return pose(
        yaw * np.sin(1.7 * t), 0.5 * yaw * np.sin(1.1 * t + 1), 0.3 * yaw * np.sin(t), shift
    )


def speaking(frames: int, seed: int = 0) -> Float32:
    """(F, 68, 3) the generic face, its lower lip and chin moving."""
    t = np.arange(frames) / 25
    opening = 0.08 * np.maximum(0, np.sin(2 * np.pi * (2.5 + 0.3 * seed) * t + seed))
    faces = np.repeat(GENERIC_FACE[None], frames, 0)
    lower = [*range(5, 12), *range(55, 60), 65, 66, 67]
    faces[:, lower, 1] -= opening[:, None]
    return faces.astype(np.float32)


def projected(
    faces: Float32, poses: Float32, focal: float = FOCAL, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Float32:
    """(F, 68, 2) column and row of (F, 68, 3) points."""
    there = np.einsum("fij,fkj->fki", poses[:, :, :3], faces) + poses[:, None, :, 3]
    flat = there[..., :2] / there[..., 2:] * focal + np.array(size) / 2
    return flat.astype(np.float32)


def blank(frames: int, width: int = WIDTH, height: int = HEIGHT) -> list[NDArray[np.uint8]]:
    """Pictures that nothing is looked for in."""
    ramp = np.linspace(40, 200, width).astype(np.uint8)
    return [
        np.broadcast_to(np.roll(ramp, k)[None, :, None], (height, width, 3)) for k in range(frames)
    ]


def save_tiny_hubert(folder: Path, hidden: int = 16) -> Path:
    """A HuBERT of transformers with random weights, as `from_pretrained` reads it."""
    import torch
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=hidden, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True,
    )  # fmt: skip
    HubertModel(config).eval().save_pretrained(folder)
    return folder
