"""A file of ``torch.save``, looked through before it is loaded.

``torch.load(weights_only=True)`` runs nothing, but a file may still make it fill the memory
(``bytearray(10**11)``, a tensor that repeats one number), and it takes changed bytes for numbers.
So the calls that a file asks for are listed first, its records are read against their checksums,
and every tensor is held to the bytes that are there for it.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ...contract.errors import BadCheckpoint
from .pickles import SCALAR_NAMES, PickledDtype, PickledScalar
from .words import in_words

LARGEST = 16 << 30
"""Bytes a checkpoint may have."""

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
"""How files of torch.save begin, those of today and those of its first years."""

_OLD_PICKLES = 5
"""Pickles at the beginning of a file of the first years."""

_CALLS = frozenset(
    (
        *("collections.OrderedDict", "collections.Counter", "_codecs.encode", "torch.Size"),
        *("torch.device", "builtins.set", "builtins.complex", "__builtin__.set"),
        *(f"torch._utils._rebuild_{what}" for what in ("tensor", "tensor_v2", "parameter")),
        *("numpy.dtype", *SCALAR_NAMES),
    )
)
"""What a file may name: the shapes of containers, tensors over records, numbers."""

_NUMBERS = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
)
"""Types of the tensors that are taken."""

_PIECE = 1 << 20

SHOWN = 3
"""Checkpoints beside a damaged one that its refusal names."""


def read_torch_file(path: Path) -> Any:
    """What a file holds: tensors in containers.

    Raises:
        BadCheckpoint: it is none, is damaged, too large, or names anything that could run.
    """
    try:
        _look_through(path)
        with torch.serialization.safe_globals(_numbers()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except BadCheckpoint:
        raise
    except OSError as error:
        raise not_a_checkpoint(path, error.strerror or in_words(error)) from None
    except Exception as error:  # a damaged file raises whatever it likes
        raise not_a_checkpoint(path, in_words(error)) from None


def unsound(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """What is wrong with tensors themselves, whatever they are for."""
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            yield f"{name} is {tensor.layout} on {tensor.device}, not plain numbers"
        elif tensor.dtype not in _NUMBERS:
            yield f"{name} is {tensor.dtype}"
        elif tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            yield f"{name} claims {tuple(tensor.shape)} numbers that are not there"


def not_a_checkpoint(path: Path, found: str) -> BadCheckpoint:
    """The refusal of a file that is damaged, or holds something else."""
    beside = sorted(p.name for p in path.parent.glob(f"*{path.suffix}") if p != path)
    return BadCheckpoint(
        str(path),
        expected="a checkpoint of the published training code: state_dict with the network model",
        found=found,
        remedy="copy it again, or name another step"
        + (f"; beside it: {', '.join(beside[:SHOWN])}" if beside and path.suffix else ""),
    )


def _look_through(path: Path) -> None:
    if not path.is_file():
        # Of a pipe, opening alone could last for ever.
        raise not_a_checkpoint(path, "no regular file" if path.exists() else "nothing there")
    size = path.stat().st_size
    if size > LARGEST:
        raise not_a_checkpoint(path, f"{size} bytes, more than {LARGEST}")
    with path.open("rb") as file:
        begins = file.read(len(_ZIP))
        file.seek(0)
        if begins.startswith(_ZIP):
            _look_through_records(path, file, size)
        elif begins.startswith(_PICKLE):
            for _ in range(_OLD_PICKLES):
                _check_calls(path, file)
        else:
            found = f"a file that begins with {begins!r}" if begins else "an empty file"
            raise not_a_checkpoint(path, found)


def _look_through_records(path: Path, file: BinaryIO, size: int) -> None:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        # Their table stands at the end.
        found = f"the beginning of a file, {size} bytes without a table of its records"
        raise not_a_checkpoint(path, found) from None
    entries = archive.infolist()
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or sum(entry.file_size for entry in entries) > size:
        raise not_a_checkpoint(path, "records that are packed, or overlap")
    for entry in entries:
        with archive.open(entry) as record:  # its end is held to its checksum
            if entry.filename.lower().endswith("/data.pkl"):  # torch minds no case
                _check_calls(path, io.BytesIO(record.read()))
            else:
                while record.read(_PIECE):
                    pass


def _check_calls(path: Path, file: BinaryIO) -> None:
    """Read one pickle, and refuse the first name in it that is not known."""
    for code, argument, _ in pickletools.genops(file):
        if code.name in ("GLOBAL", "INST"):
            name = str(argument).replace(" ", ".")
        elif code.name == "STACK_GLOBAL":  # torch.save writes none
            name = "something named by strings"
        else:
            continue
        if name not in _CALLS and not _is_type(name):
            raise BadCheckpoint(
                str(path),
                expected="tensors, numbers and their names",
                found=f"a call of {name}",
                remedy="such a file could run any program, or fill the memory: do not open it; "
                "save the state_dict of the model alone if you trust where it comes from",
            )


def _is_type(name: str) -> bool:
    """``torch.float32`` or ``torch.FloatStorage``."""
    module, _, last = name.rpartition(".")
    if module != "torch":
        return False
    return last.endswith("Storage") or isinstance(getattr(torch, last, None), torch.dtype)


def _numbers() -> list[Any]:
    """Stand-ins for what rebuilds a numpy number, such as a best validation loss."""
    return [(PickledDtype, "numpy.dtype"), *((PickledScalar, name) for name in SCALAR_NAMES)]
