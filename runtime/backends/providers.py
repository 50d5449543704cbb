"""ONNX Runtime's execution providers: which exist, and which are installed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CPU = "onnxruntime-cpu"
CUDA = "onnxruntime-cuda"


@dataclass(frozen=True)
class Provider:
    """One execution provider.

    Attributes:
        backend: our name for ONNX Runtime with it.
        name: ONNX Runtime's name for it.
        gpu: needs an NVIDIA GPU.
        install: the command that brings it.
    """

    backend: str
    name: str
    gpu: bool
    install: str


PROVIDERS: dict[str, Provider] = {
    provider.backend: provider
    for provider in (
        Provider(CPU, "CPUExecutionProvider", False, "pip install onnxruntime"),
        Provider(CUDA, "CUDAExecutionProvider", True, "pip install onnxruntime-gpu"),
        # These two build their own engines while they load: never chosen unless asked for.
        Provider(
            "onnxruntime-tensorrt",
            "TensorrtExecutionProvider",
            True,
            "pip install onnxruntime-gpu tensorrt",
        ),
        Provider(
            "onnxruntime-tensorrt-rtx",
            "NvTensorRTRTXExecutionProvider",
            True,
            "pip install onnxruntime-ep-nv-tensorrt-rtx",
        ),
    )
}


def installed_providers() -> tuple[str, ...]:
    """ONNX Runtime's names of what it can use here, plugins that were registered included."""
    import onnxruntime

    names = list(onnxruntime.get_available_providers())
    names += [device.ep_name for device in _devices(onnxruntime)]
    return tuple(dict.fromkeys(names))


def plugin_devices(name: str) -> list[Any]:
    """Devices of a provider that is a registered plugin; empty for those built in."""
    import onnxruntime

    if name in onnxruntime.get_available_providers():
        return []
    return [device for device in _devices(onnxruntime) if device.ep_name == name]


def _devices(module: Any) -> list[Any]:
    # Since ONNX Runtime 1.22.
    return list(module.get_ep_devices()) if hasattr(module, "get_ep_devices") else []
