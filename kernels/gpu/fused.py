"""A whole frame on a GPU by tensor cores: `PlainField` with other kernels.

Networks are evaluated for 32 samples at a time in halves with float32 sums, their weights in shared
memory; persistent warps take rays from a queue.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.field import FieldSpec, TorsoSpec
from .arrays import DeviceArray, allocate
from .fused_plan import FusedPlan, KernelPlan, fused_plan, fused_specification, pack_layer
from .programs import Program
from .sources import read_unit
from .specification import specification

FUSED = "fused"
