"""TensorRT-RTX parses and builds what the converter makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from emogene.exporters.engines.build import EngineRequest, build_engine
from emogene.exporters.engines.profiles import default_profile
from emogene.exporters.precision.convert import convert
from emogene.exporters.precision.graph import HalfPrecision
from emogene.runtime.backends.flavours import RTX, module_name

from .graphs import stages_of

pytestmark = pytest.mark.skipif(
    module_name(RTX) is None,
    reason="TensorRT-RTX is not installed: pip install 'emogene[test]' brings it on Linux",
)


@pytest.mark.parametrize(
    ("precision", "architecture"), (("fp16", "sm_75"), ("fp16", "sm_89"), ("bf16", "sm_89"))
)
def test_every_tiny_stage_is_built_in_half(
    precision: HalfPrecision, architecture: str, tiny_engines: Path, tmp_path: Path
) -> None:
    """sm_75 multiplies no fp32 matrices: it shows that none was left."""
    for stage in stages_of(tiny_engines):
        path = tmp_path / f"{stage.name}.onnx"
        path.write_bytes(convert(stage.data, precision).data)
        request = EngineRequest(
            stage.name,
            path,
            stage.signature,
            precision,
            default_profile(stage.signature.inputs),
            architectures=(architecture,),
        )
        assert build_engine(request, tmp_path / stage.name).size > 4096, stage.name
