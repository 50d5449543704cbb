"""The audio-to-motion VAE: published names, reach in time, lengths, Eq. 1, folding, export."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emogene.contract.measure import relative_l2
from emogene.reference.audio_to_motion import (
    AudioToMotion,
    AudioToMotionConfig,
    AudioToMotionInference,
    FlowConfig,
    Posterior,
)
from emogene.reference.authors import authors_audio_to_motion
from emogene.reference.wavenet import CouplingFlow, WeightNormConv1d, fold_weight_norm
from tests.oracle.sequences import audio_to_motion, flow_backwards, wavenet

from .tables import published, random_tensors, shapes

SMALL = AudioToMotionConfig(
    features=12,
    condition=8,
    hidden=8,
    encoder_layers=2,
    flow=FlowConfig(couplings=4, hidden=6, kernel=3, layers=4),
    folding="scaled",
)


@pytest.fixture
def small() -> AudioToMotion:
    torch.manual_seed(0)
    model = AudioToMotion(SMALL).eval()
    for flow in model.vae.prior_flow.flows[::2]:
        torch.nn.init.normal_(flow.post.weight, std=0.3)
    return model


def _reached(sequence: torch.Tensor) -> tuple[int, int]:
    """First and last step of (1, C, T) that a gradient has come to."""
    assert sequence.grad is not None
    steps = sequence.grad.abs().sum(dim=(0, 1)).nonzero().flatten()
    return int(steps.min()), int(steps.max())


def speech(frames: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 2 * frames, SMALL.features, generator=generator)
    bins = torch.randint(1, 256, (1, 2 * frames), generator=generator, dtype=torch.int32)
    return features, bins


@pytest.mark.parametrize("motion", [64, 144, 204])
@pytest.mark.parametrize("mouth, eye", [(True, False), (True, True), (False, False)])
def test_has_exactly_the_published_tensors(motion: int, mouth: bool, eye: bool) -> None:
    expected = published("audio_to_motion")
    expected["vae.encoder.pre_net.0.weight"] = (256, motion, 8)
    expected["vae.decoder.out_proj.weight"] = (motion, 256, 1)
    expected["vae.decoder.out_proj.bias"] = (motion,)
    expected["cond_proj.weight"] = (128, 128 * (3 + mouth + eye))
    if eye:
        expected["eye_amp_embed"] = (128,)
    if not mouth:
        del expected["mouth_amp_embed"]
    if motion != 204:
        expected |= {"folding.basis": (204, motion), "folding.mean": (204,)}
    with torch.device("meta"):
        model = AudioToMotion(authors_audio_to_motion(motion, mouth, eye))
    assert shapes(model) == expected


def test_published_tensors_load_and_run() -> None:
    model = AudioToMotion(authors_audio_to_motion(64))
    tensors = random_tensors(published("audio_to_motion"))
    tensors["mel_encoder.1.running_var"] = torch.ones(128)
    tensors["pitch_encoder.1.running_var"] = torch.ones(128)
    tensors |= {"folding.basis": torch.eye(204, 64), "folding.mean": torch.ones(204)}
    model.load_state_dict(tensors)
    features, bins = torch.randn(1, 16, 1024), torch.ones(1, 16, dtype=torch.int32)
    landmarks = AudioToMotionInference(model.eval())(features, bins, torch.zeros(1, 16, 2))
    assert landmarks.shape == (1, 8, 204)
    assert torch.equal(landmarks[..., 64:], torch.ones(1, 8, 140))


@pytest.mark.parametrize("outputs", [64, 204])
@torch.no_grad()
def test_audio_to_motion_equals_its_published_equations(outputs: int) -> None:
    """Every part by itself, then all of it: full size, in float64."""
    table = published("audio_to_motion")
    table["vae.encoder.pre_net.0.weight"] = (256, outputs, 8)
    table["vae.decoder.out_proj.weight"] = (outputs, 256, 1)
    table["vae.decoder.out_proj.bias"] = (outputs,)
    tensors = random_tensors(table)
    for name in ("mel_encoder", "pitch_encoder"):
        tensors[f"{name}.1.running_var"] = tensors[f"{name}.1.running_var"].abs() + 0.5
    # A flow of random weights this large shifts latents by as much as they are.
    t = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    folding = {"folding.basis": torch.eye(204, 64), "folding.mean": torch.zeros(204)}
    model = AudioToMotion(authors_audio_to_motion(outputs))
    model.load_state_dict(tensors | (folding if outputs == 64 else {}))
    model.eval()
    rng = np.random.default_rng(0)
    features = rng.normal(size=(48, 1024)).astype(np.float32)
    bins, noise = rng.integers(1, 256, 48), rng.normal(size=(16, 6)).astype(np.float32)
    hidden, condition = (rng.normal(size=(n, 24)).astype(np.float32) for n in (256, 128))

    def batch(x: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(x)[None]

    found = model.vae.decoder.wn(batch(hidden), batch(condition))[0].numpy()
    wide = [x.astype(np.float64) for x in (hidden, condition, noise)]
    assert relative_l2(found, wavenet(t, "vae.decoder.wn", *wide[:2], 5)) < 1e-5
    flow = model.vae.prior_flow(batch(noise), batch(condition[:, :6]), reverse=True)[0].numpy()
    expected = flow_backwards(t, "vae.prior_flow", wide[2], wide[1][:, :6])
    assert relative_l2(flow, expected) < 1e-5
    assert relative_l2(flow, wide[2]) > 0.1
    whole = AudioToMotionInference(model)(
        batch(features), batch(bins.astype(np.int32)), batch(noise)
    )
    expected = audio_to_motion(t, features.astype(np.float64), bins, wide[2])
    assert relative_l2(whole[0, :, :outputs].numpy(), expected) < 1e-5


def test_decoder_reaches_eight_frames_either_way(small: AudioToMotion) -> None:
    small.vae.decoder.pre_net.register_forward_hook(lambda _, __, made: made.retain_grad())
    inner: list[torch.Tensor] = []
    small.vae.decoder.pre_net.register_forward_hook(lambda _, __, made: inner.append(made))
    condition = torch.randn(1, SMALL.condition, 64, requires_grad=True)
    motion = small.decode(torch.randn(1, 16, 16), condition)
    motion[0, 32].square().sum().backward()
    assert _reached(inner[0]) == (24, 40)
    # The condition joins after each layer's convolution, so it reaches one layer less.
    assert _reached(condition) == (26, 38)


def test_flow_reaches_sixty_frames_of_the_condition(small: AudioToMotion) -> None:
    condition = torch.randn(1, SMALL.condition, 41, requires_grad=True)
    noise = torch.randn(1, 16, 41)
    z = small.vae.prior_flow(noise, condition, reverse=True)
    z[0, :, 20].square().sum().backward()
    # Fifteen latents of four frames each.
    assert _reached(condition) == (5, 35)


@pytest.mark.parametrize("frames", [4, 12, 60])
def test_lengths(small: AudioToMotion, frames: int) -> None:
    noise = torch.randn(1, 16, frames // 4)
    assert AudioToMotionInference(small)(*speech(frames), noise).shape == (1, frames, 204)


def test_a_window_with_margins_equals_the_whole(small: AudioToMotion) -> None:
    """Streaming: 68 frames of context on both sides give the same frames as the whole utterance."""
    frames, context = 200, 68 + 12
    features, bins = speech(frames)
    noise = torch.randn(1, 16, frames // 4)
    whole = AudioToMotionInference(small)(features, bins, noise)
    first, last = 96 - context, 104 + context
    part = AudioToMotionInference(small)(
        features[:, 2 * first : 2 * last],
        bins[:, 2 * first : 2 * last],
        noise[..., first // 4 : last // 4],
    )
    torch.testing.assert_close(part[:, context : context + 8], whole[:, 96:104])


def test_halving_takes_the_first_of_each_pair(small: AudioToMotion) -> None:
    features, bins = speech(8)
    changed = features.clone()
    changed[:, 1::2] += 5
    assert torch.equal(small.condition(features, bins), small.condition(changed, bins))


def test_flow_is_inverted_by_its_reverse(small: AudioToMotion) -> None:
    condition, z = torch.randn(2, SMALL.condition, 10), torch.randn(2, 16, 10)
    flow: CouplingFlow = small.vae.prior_flow
    forth = flow(z, condition)
    assert (forth - z).abs().max() > 0.1
    torch.testing.assert_close(flow(forth, condition, reverse=True), z)


def test_kl_of_a_posterior_that_is_the_prior_is_zero(small: AudioToMotion) -> None:
    condition = torch.randn(1, SMALL.condition, 16)
    zeros = torch.zeros(1, 16, 4)
    model = AudioToMotion(AudioToMotionConfig(features=12, condition=8, hidden=8, flow=None))
    assert torch.equal(model.kl(Posterior(zeros, zeros), zeros, condition), zeros)
    # Known answer: KL(N(1, e) || N(0, 1)) = (1 + e² - 1) / 2 - 1.
    ones = torch.ones(1, 16, 4)
    known = torch.full_like(ones, 0.5 * torch.e**2 - 1)
    torch.testing.assert_close(model.kl(Posterior(ones, ones), zeros, condition), known)


def test_sampled_kl_agrees_with_the_exact_one() -> None:
    """With an identity flow the Monte-Carlo estimate's mean is the closed form."""
    torch.manual_seed(3)
    config = AudioToMotionConfig(features=12, condition=8, hidden=8, flow=FlowConfig(2, 4, 3, 1))
    model = AudioToMotion(config)  # a fresh flow shifts by zero
    posterior = Posterior(torch.full((1, 16, 4), 0.7), torch.full((1, 16, 4), -0.5))
    condition = torch.randn(1, 8, 16)
    with torch.no_grad():
        draws = [
            model.kl(posterior, posterior.sample(torch.randn(1, 16, 4)), condition).mean()
            for _ in range(500)
        ]
    exact = 0.5 * (0.49 + torch.tensor(-1.0).exp() - 1) + 0.5
    assert torch.stack(draws).mean().item() == pytest.approx(exact.item(), abs=0.01)


def test_training_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    model = AudioToMotion(SMALL)
    features, bins = speech(16)
    made = model(torch.randn(1, 16, 204), features, bins, torch.randn(1, 16, 4))
    (made.motion.square().mean() + made.kl).backward()
    # The reconstruction alone does not use the couplings' first halves of a fresh (zero) flow.
    still = [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert all(".flows." in name and ".post." not in name for name in still)


def test_folding_is_undone_by_standardising(small: AudioToMotion) -> None:
    small.folding.scale.uniform_(0.1, 2)
    small.folding.mean.normal_()
    landmarks = torch.randn(3, 204)
    torch.testing.assert_close(small.folding(small.folding.standardise(landmarks)), landmarks)


def test_face_model_coefficients_need_a_basis() -> None:
    with pytest.raises(ValueError, match="64 numbers a frame are no landmarks"):
        AudioToMotion(AudioToMotionConfig(motion=64, folding="direct"))


def test_folded_weight_norm_gives_the_same_numbers(small: AudioToMotion) -> None:
    inference = AudioToMotionInference(small)
    args = (*speech(12), torch.randn(1, 16, 3))
    before = inference(*args)
    fold_weight_norm(inference)
    assert not any(isinstance(m, WeightNormConv1d) for m in inference.modules())
    torch.testing.assert_close(inference(*args), before)


def test_exports_with_symbolic_lengths(small: AudioToMotion) -> None:
    latents = torch.export.Dim("latents", min=2)
    args = (*speech(16), torch.randn(1, 16, 4))
    exported = torch.export.export(
        AudioToMotionInference(small),
        args,
        dynamic_shapes=({1: 8 * latents}, {1: 8 * latents}, {2: latents}),
    ).module()
    other = (*speech(28, seed=5), torch.randn(1, 16, 7))
    torch.testing.assert_close(exported(*other), AudioToMotionInference(small)(*other))
