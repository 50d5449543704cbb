"""What the tests of the engine builder stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from emogene.exporters.engines import flavours
from emogene.runtime.backends.flavours import RTX, module_name

from . import networks


@pytest.fixture(scope="session")
def rtx() -> str:
    """Exact version of TensorRT-RTX, which builds engines on any machine."""
    if module_name(RTX) is None:
        pytest.skip("TensorRT-RTX is not installed: pip install 'emogene[test]' brings it on Linux")
    return flavours.tool_version("tensorrt-rtx")


@pytest.fixture(scope="session")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A field network in miniature. Read only."""
    return networks.mlp(tmp_path_factory.mktemp("networks") / "density.onnx")
