"""The speech encoder: HuBERT, 16 kHz audio → features at 50 Hz (paper section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..contract.errors import MissingExtra

CONV_KERNELS = (10, 3, 3, 3, 3, 2, 2)
CONV_STRIDES = (5, 2, 2, 2, 2, 2, 2)
"""Kernels and strides of the stem: 320 samples a feature, each seeing 400."""


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """Dimensions; the defaults are those of "facebook/hubert-large-ls960-ft".

    Attributes:
        hidden: width of a feature.
        layers, heads, feed_forward: of the transformer.
        conv: channels of the stem's seven convolutions.
        position_kernel, position_groups: of the convolutional position embedding.
        dropout: in training, everywhere in the transformer.
    """

    hidden: int = 1024
    layers: int = 24
    heads: int = 16
    feed_forward: int = 4096
    conv: tuple[int, ...] = (512,) * 7
    position_kernel: int = 128
    position_groups: int = 16
    dropout: float = 0.0


class SpeechEncoder(nn.Module):
    """HuBERT with a layer-norm stem and pre-norm transformer layers.

    The tensors keep the names of transformers' ``HubertForCTC`` checkpoints, below ``hubert``.

    Raises:
        MissingExtra: transformers is not installed.
    """

    config_type = SpeechEncoderConfig

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        try:
            from transformers import HubertConfig, HubertModel
        except ImportError:
            raise MissingExtra("transformers", "export", "the speech encoder") from None
        self.config = config
        self.hubert = HubertModel(
            HubertConfig(
                hidden_size=config.hidden,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                intermediate_size=config.feed_forward,
                conv_dim=config.conv,
                conv_kernel=CONV_KERNELS,
                conv_stride=CONV_STRIDES,
                conv_bias=True,
                feat_extract_norm="layer",
                do_stable_layer_norm=True,
                num_conv_pos_embeddings=config.position_kernel,
                num_conv_pos_embedding_groups=config.position_groups,
                hidden_dropout=config.dropout,
                attention_dropout=config.dropout,
                activation_dropout=config.dropout,
                feat_proj_dropout=0.0,
                layerdrop=0.0,
                apply_spec_augment=False,
                mask_time_prob=0.0,
                mask_feature_prob=0.0,
                # The exported graph of the fused kernels is larger, and slower where it runs.
                attn_implementation="eager",
            )
        )

    def forward(self, samples: Tensor) -> Tensor:
        """Encode audio.

        Args:
            samples: (B, N) float32 at 16 kHz, zero mean and unit variance, N ≥ 400.

        Returns:
            (B, T, hidden) with T = (N - 400) // 320 + 1.
        """
        return self.hubert(samples).last_hidden_state

    def fold_weight_norm(self) -> SpeechEncoder:
        """Replace the position embedding's weight norm by the kernel it equals, in place.

        For export only: such an encoder's tensors have other names than a checkpoint's.
        """
        convolution = self.hubert.encoder.pos_conv_embed.conv
        if parametrize.is_parametrized(convolution, "weight"):
            parametrize.remove_parametrizations(convolution, "weight")
        return self
