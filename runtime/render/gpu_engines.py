"""The engine directory's networks inside a frame that the GPU paints in rounds."""

from __future__ import annotations

from collections.abc import Mapping

from ...contract.errors import Unavailable
from ...contract.field import FieldSpec, TorsoSpec
from ...contract.tensors import TensorSpec
from ...kernels.gpu.specification import networks_by_role
from ..backends.flavours import FLAVOURS
from ..backends.protocol import DeviceBuffer, Runner
from ..backends.tensorrt import TensorRtRunner
from ..backends.tensorrt_execution import TensorRtBound


class EngineRows:
    """An engine as a `kernels.gpu.wavefront_networks.RowsNetwork`."""

    def __init__(self, runner: TensorRtRunner) -> None:
        self._runner = runner

    def bind(self, rows: int, given: int, bias: int, to: int) -> TensorRtBound:
        """Tie it to rows in the GPU's memory."""
        (read, first), (written,) = self._runner.inputs, self._runner.outputs
        shapes = {read.name: (rows, _width(read)), first.name: (1, _width(first))}
        buffers = {
            read.name: DeviceBuffer(given, 4 * rows * _width(read)),
            first.name: DeviceBuffer(bias, 4 * _width(first)),
            written.name: DeviceBuffer(to, 4 * rows * _width(written)),
        }
        return self._runner.bind(shapes, buffers)


def engine_networks(
    field: FieldSpec, torso: TorsoSpec | None, runners: Mapping[str, Runner]
) -> tuple[dict[str, EngineRows], int]:
    """Every network of head and torso by its stage, and the most rows that all of them take.

    Raises:
        Unavailable: one is not run by TensorRT: other backends do not take a stream of the
            caller's.
    """
    made, most = {}, []
    for stage in networks_by_role(field, torso):
        runner = runners[stage]
        if not isinstance(runner, TensorRtRunner):
            raise Unavailable(
                "engines in the wavefront kernels",
                expected=f"stage {stage} run by {' or '.join(FLAVOURS)}",
                found=getattr(runner, "backend", type(runner).__name__),
                remedy="build engines for this GPU, or use the renderer gpu-wavefront",
            )
        made[stage] = EngineRows(runner)
        most.append(runner.longest)
    return made, min(most)


def _width(spec: TensorSpec) -> int:
    width = spec.shape[-1]
    assert isinstance(width, int)
    return width
