"""Settings of the published models → their dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ...contract.errors import BadCheckpoint
from ...contract.landmarks import FLAT
from ...reference.audio_to_motion import AudioToMotionConfig
from ...reference.authors import COARSEST, PublishedDimensions, authors_audio_to_motion
from ...reference.authors_torso import PublishedTorsoDimensions
from .config import Settings

MOTIONS = {64: "expression coefficients", 144: "identity and expression", FLAT: "landmarks"}
"""Outputs of a published audio-to-motion model, by their number."""


WIDEST = 4096
"""Of what settings may call for; the published models stay below 200."""


@dataclass(frozen=True)
class PublishedField:
    """The dimensions of one head with its torso.

    Attributes:
        alone: there is no torso; of ``torso`` only super-resolution, size and camera count then.
        individuals: rows of the tables of appearance codes.
        smoothing: frames over which cameras are averaged at inference; 1 leaves them as filmed.
        frames: of the film whose cameras are used (``num_train_samples``); 0 for all.
        background: ``infer_bg_img_fname``: ``white``, ``black``, or empty for the data set's.
    """

    head: PublishedDimensions
    torso: PublishedTorsoDimensions
    individuals: int
    smoothing: int = 7
    frames: int = 0
    background: str = ""
    alone: bool = False

    @property
    def told_of_eyes(self) -> bool:
        """Whether the published inference passes on how far eyes are open; else the field is told
        0. Of the four it forgets it for a torso without super-resolution."""
        return self.torso.super_resolution or self.alone


def audio_to_motion_config(tensors: Mapping[str, Tensor], where: str) -> AudioToMotionConfig:
    """The configuration an audio-to-motion checkpoint shows by its tensors.

    Its config.yaml tells little of it: the number of outputs and the width of the features are
    written in the code that trained it.

    Raises:
        BadCheckpoint: the number of outputs is none that is published.
    """
    last = tensors.get("vae.decoder.out_proj.weight")
    first = tensors.get("mel_encoder.0.weight")
    motion = 0 if last is None or not last.ndim else last.shape[0]
    if motion not in MOTIONS or first is None or first.ndim != 3 or not first.shape[1]:
        known = ", ".join(f"{n} ({what})" for n, what in MOTIONS.items())
        raise BadCheckpoint(
            where,
            expected=f"an audio-to-motion model with {known} outputs",
            found=f"{motion} outputs" if motion else "no vae.decoder.out_proj.weight",
            remedy="name the folder of an audio-to-motion model",
        )
    return authors_audio_to_motion(
        motion,
        mouth_amplitude="mouth_amp_embed" in tensors,
        eye_amplitude="eye_amp_embed" in tensors,
        features=first.shape[1],
        pitch="pitch_embed.weight" in tensors,
        flow=any(name.startswith("vae.prior_flow.") for name in tensors),
    )


def field_dimensions(settings: Settings, picture: int, *, alone: bool = False) -> PublishedField:
    """The dimensions that the settings of a torso, or of a head without one, call for.

    Args:
        picture: side of the pictures of the data set, pixels.
        alone: they are a head's.

    Raises:
        BadCheckpoint: settings are missing, of a wrong type, or cannot be imported.
    """
    s = settings
    s.only("cond_type", "idexp_lm3d_normalized", "others are not driven by landmarks")
    s.only("nerf_keypoint_mode", "lm68", "others have more landmarks than our 68")
    s.only("grid_type", "tiledgrid", "a hashed grid has another index")
    s.only("grid_interpolation_type", "linear", "the kernels interpolate linearly")
    s.only("with_att", True, "the window is weighed by attention")
    s.only("cond_win_size", 1, "each frame of the window is encoded by itself")
    s.only("bound", 1, "a larger one has several occupancy grids")
    s.only("normalize_cond", True, "conditions are clamped in normalised units")
    s.only("use_mp_pose", False, "poses come from the fitted face")
    enlarged = s.get("with_sr", False)
    cells = s.get("grid_size", 128)
    steps = s.get("max_steps", 16)
    if steps > cells:
        s.refuse(f"max_steps {steps} is more than grid_size {cells}: steps would vary in length")
    head = PublishedDimensions(
        window=s.get("smo_win_size", 5),
        code=s.get("cond_out_dim", 64) // 2 * 2,
        blink=s.get("eye_blink_dim", 8) if s.get("add_eye_blink_cond", False) else 0,
        individual=s.get("individual_embedding_dim", 4),
        ambient=s.get("ambient_coord_dim", 3),
        ambient_hidden=_hidden(s, "ambient", 128, 3),
        density_hidden=_hidden(s, "sigma", 128, 3),
        colour_hidden=_hidden(s, "color", 128, 2),
        geometry=s.get("geo_feat_dim", 128),
        finest=s.get("desired_resolution", 2048),
        log2_size=s.get("log2_hashmap_size", 16),
        occupancy=cells,
        min_near=s.get("min_near", 0.05),
        max_samples=steps,
    )
    if head.ambient not in (2, 3):
        s.refuse(f"ambient_coord_dim is {head.ambient}; grids have 2 or 3 dimensions")
    if head.window % 2 == 0:
        s.refuse(f"smo_win_size is {head.window}; a window has a frame in its middle")
    if not 3 <= head.log2_size <= 24 or not COARSEST <= head.finest <= 1 << 16:
        s.refuse(f"a grid of 2^{head.log2_size} entries up to {head.finest} cells")
    if cells not in (1 << n for n in range(1, 9)):
        s.refuse(f"grid_size is {cells}, not a power of two up to 256")
    if head.blink > head.code:
        s.refuse(f"eye_blink_dim is {head.blink}, more than cond_out_dim {head.code}")
    torso = PublishedTorsoDimensions(
        super_resolution=enlarged,
        head_aware=s.get("torso_head_aware", False),
        individual=s.get("torso_individual_embedding_dim", 8),
        shrink=s.get("torso_shrink", 0.8),
        mask=cells,
        size=picture // 2 if enlarged else picture,
        camera_scale=s.get("camera_scale", 4.0),
        camera_offset=s.vector("camera_offset", (0.0, 0.0, 0.0)),
    )
    individuals = s.get("individual_embedding_num", 13000)
    smoothing = s.get("infer_smooth_camera_path_kernel_size", 7)
    if not s.get("infer_smooth_camera_path", True):
        smoothing = 1
    frames = s.get("num_train_samples", 0)
    for name, value, least, most in (
        ("smo_win_size", head.window, 1, 101),
        ("cond_out_dim", head.code, 2, WIDEST),
        ("eye_blink_dim", head.blink, 0, WIDEST),
        ("individual_embedding_dim", head.individual, 0, WIDEST),
        ("individual_embedding_num", individuals, 1, 1 << 24),
        ("torso_individual_embedding_dim", torso.individual, 0, WIDEST),
        ("geo_feat_dim", head.geometry, 1, WIDEST),
        ("hidden_dim_ambient", head.ambient_hidden[0], 1, WIDEST),
        ("hidden_dim_sigma", head.density_hidden[0], 1, WIDEST),
        ("hidden_dim_color", head.colour_hidden[0], 1, WIDEST),
        ("max_steps", steps, 1, 1024),
        ("min_near", head.min_near, 0, 100),
        ("camera_scale", torso.camera_scale, 1e-3, 1e3),
        ("torso_shrink", torso.shrink, 1e-3, 1),
        ("infer_smooth_camera_path_kernel_size", smoothing, 1, 1001),
        ("num_train_samples", frames, 0, 1 << 24),
    ):
        if not least <= value <= most:
            s.refuse(f"{name} is {value}, not {least:g} to {most}")
    background = s.get("infer_bg_img_fname", "")
    s.check()
    return PublishedField(head, torso, individuals, smoothing, frames, background, alone)


def _hidden(s: Settings, name: str, width: int, layers: int) -> tuple[int, ...]:
    count = s.get(f"num_layers_{name}", layers)
    if not 2 <= count <= 8:
        s.refuse(f"num_layers_{name} is {count}, not 2 to 8")
        count = layers
    return (s.get(f"hidden_dim_{name}", width),) * (count - 1)
