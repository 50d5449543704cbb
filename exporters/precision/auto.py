"""What precision a stage bears, found by trying, and the reasons.

fp16 is tried first. If it misses its tolerance, every node is judged alone (in half, with all
others in fp32), and the worst go back to fp32 until the rest fits. If too little of the arithmetic
would be left in half, the stage stays fp32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from ...contract.engines import Precision
from ...contract.stages import Signature
from ...contract.tensors import StageError
from ...runtime.backends.protocol import Array, Runner
from ..compare import OutputDifference, difference, within, worst
from ..examples import LENGTHS, example_inputs, varying_symbol
from ..tolerances import Tolerance, tolerance
from .convert import Converted, convert
from .graph import HalfPrecision, name_nodes
from .half import HalfRunner

HEAVY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that half precision makes faster; without them it only costs accuracy."""

MOST_TRIALS = 48
"""Nodes are judged alone up to this many, else in as many runs of neighbours."""


@dataclass(frozen=True)
class Choice:
    """A stage at the precision that was chosen for it.

    Attributes:
        stage: its name.
        precision: ``"fp16"``, ``"bf16"``, or ``"fp32"`` if none held.
        data: the ONNX file at this precision; what was given, if it is fp32.
        differences: from the reference, in true half arithmetic; of the last failed trial, if
            the stage stays fp32.
        tolerance: the limit it was judged by.
        kept: ``node: reason`` of every node that stayed in fp32 in a half file.
        reason: one line on why this precision.
    """

    stage: str
    precision: Precision
    data: bytes
    differences: tuple[OutputDifference, ...]
    tolerance: Tolerance
    kept: tuple[str, ...]
    reason: str

    @property
    def passed(self) -> bool:
        """Whether the file's differences are within the tolerance; fp32 is what was given."""
        return self.precision == "fp32" or within(self.differences, self.tolerance.relative_l2)

    @property
    def error(self) -> StageError:
        """What the manifest keeps of a half file."""
        lengths = tuple(dict.fromkeys(d.length for d in self.differences))
        return StageError(worst(self.differences), self.tolerance.relative_l2, lengths)


def choose(
    stage: str,
    data: bytes,
    signature: Signature,
    reference: Runner,
    limit: Tolerance | None = None,
    lengths: Sequence[int] = (),
    trial: Callable[[str], None] = lambda what: None,
) -> Choice:
    """The most of a stage that can be fp16 within its tolerance.

    Args:
        stage: its name, for example inputs and the tolerance table.
        data: its fp32 ONNX file.
        reference: what is true: PyTorch, or the fp32 file in a runner.
        limit: None takes the table's line for fp16.
        lengths: of the varying dimension; none takes the usual ones.
        trial: told in a few words what is tried next.
    """
    limit = limit or tolerance(stage, "fp16")
    judge = _Judge(stage, data, signature, reference, lengths, "fp16")
    trial("all in fp16")
    whole, differences = judge({})
    if not _worthwhile(data, whole.half):
        return _stays(stage, data, differences, limit, "nothing of weight in it can be fp16")
    if within(differences, limit.relative_l2):
        return _half(stage, "fp16", whole, differences, limit)
    first = worst(differences)
    blame = _blame(judge, whole.half, trial)
    ranked = sorted(blame, key=lambda group: -blame[group])

    def without(count: int) -> dict[str, str]:
        return {
            node: f"in fp16 {_share(group)} adds an error of {blame[group]:.1e}"
            for group in ranked[:count]
            for node in group
        }

    # The fewest that must stay: doubled until it fits, then halved in between.
    low, high = 0, 1
    fits: tuple[Converted, tuple[OutputDifference, ...]] | None = None
    while high < len(ranked):
        trial(f"{high} of {len(ranked)} in fp32")
        made, differences = judge(without(high))
        if within(differences, limit.relative_l2):
            fits = made, differences
            break
        low, high = high, 2 * high
    while fits and high - low > 1:
        middle = (low + high) // 2
        trial(f"{middle} of {len(ranked)} in fp32")
        made, differences = judge(without(middle))
        if within(differences, limit.relative_l2):
            high, fits = middle, (made, differences)
        else:
            low = middle
    found = f"fp16 misses {limit.relative_l2:.0e} with {first:.1e}"
    if fits is None:
        return _stays(stage, data, differences, limit, f"{found}, whichever nodes stay fp32")
    if not _worthwhile(data, fits[0].half):
        return _stays(stage, data, fits[1], limit, f"{found} unless every matrix product is fp32")
    return _half(stage, "fp16", *fits, limit)


def at_precision(
    stage: str,
    data: bytes,
    signature: Signature,
    reference: Runner,
    precision: HalfPrecision,
    lengths: Sequence[int] = (),
) -> Choice:
    """A stage at the precision that was asked for; `Choice.passed` says whether it holds.

    What cannot be computed in half, or decides an integer, stays in fp32 all the same.
    """
    judge = _Judge(stage, data, signature, reference, lengths, precision)
    return _half(stage, precision, *judge({}), tolerance(stage, precision))


def _half(
    stage: str,
    precision: HalfPrecision,
    made: Converted,
    differences: tuple[OutputDifference, ...],
    limit: Tolerance,
) -> Choice:
    sign = "≤" if within(differences, limit.relative_l2) else ">"
    count = len(made.kept)
    reason = (
        f"{precision}: {worst(differences):.1e} {sign} {limit.relative_l2:.0e} in half arithmetic, "
        f"{count} of {count + len(made.half)} nodes in fp32"
    )
    return Choice(stage, precision, made.data, differences, limit, made.reasons, reason)


def _stays(
    stage: str,
    data: bytes,
    differences: tuple[OutputDifference, ...],
    limit: Tolerance,
    why: str,
) -> Choice:
    return Choice(stage, "fp32", data, differences, limit, (), f"fp32: {why}")


class _Judge:
    """Converts and measures; the inputs and the reference's answers are computed once."""

    def __init__(
        self,
        stage: str,
        data: bytes,
        signature: Signature,
        reference: Runner,
        lengths: Sequence[int],
        precision: HalfPrecision,
    ) -> None:
        self._stage, self._data, self._signature = stage, data, signature
        self._precision: HalfPrecision = precision
        self.lengths = tuple(lengths) or LENGTHS[varying_symbol(signature)]
        self._feeds = {n: example_inputs(stage, signature, n) for n in self.lengths}
        self._answers: dict[int, Mapping[str, Array]] = {
            n: reference.run(feeds) for n, feeds in self._feeds.items()
        }

    def __call__(
        self, keep: Mapping[str, str], lengths: Iterable[int] = ()
    ) -> tuple[Converted, tuple[OutputDifference, ...]]:
        made = convert(self._data, self._precision, keep)
        found = []
        with HalfRunner(made.data) as runner:
            for length in lengths or self.lengths:
                values = runner.run(self._feeds[length])
                for spec in self._signature.outputs:
                    answer = self._answers[length][spec.name]
                    found.append(
                        difference(self._stage, spec.name, length, values[spec.name], answer)
                    )
        return made, tuple(found)


def _blame(
    judge: _Judge, nodes: Sequence[str], trial: Callable[[str], None]
) -> dict[tuple[str, ...], float]:
    """Error of each run of neighbouring nodes alone in half, at a length in the middle."""
    size = math.ceil(len(nodes) / MOST_TRIALS)
    groups = [tuple(nodes[i : i + size]) for i in range(0, len(nodes), size)]
    length = sorted(judge.lengths)[len(judge.lengths) // 2]
    found = {}
    for place, group in enumerate(groups):
        trial(f"node {place + 1} of {len(groups)} alone in fp16")
        others = {node: "judging another" for node in nodes if node not in group}
        error = worst(judge(others, [length])[1])
        found[group] = error if math.isfinite(error) else math.inf
    return found


def _share(group: Sequence[str]) -> str:
    return "it alone" if len(group) == 1 else f"it with {len(group) - 1} neighbours"


def _worthwhile(data: bytes, half: Iterable[str]) -> bool:
    """Whether the nodes in half hold a matrix product, if the stage has any at all."""
    wanted = set(half)
    model = onnx.load_from_string(data)
    name_nodes(model)
    heavy = {node.name for node in model.graph.node if node.op_type in HEAVY}
    return bool(wanted & heavy) if heavy else bool(wanted)
