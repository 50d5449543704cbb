"""What is compiled for an avatar's fields, and where its machine code comes from.

A directory may bring cubins. One is used where it was made from the sources and options that this
version would compile, with arguments of the same ABI, for this very architecture; anything else is
compiled by NVRTC (to PTX where the GPU is newer than NVRTC), or refused in one line that says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...contract.codec import canonical
from ...contract.cubins import CubinSpec, KernelResources
from ...contract.engine_directory import file_path
from ...contract.errors import MissingExtra, Unavailable
from . import nvrtc
from .cubin_cache import CubinCache
from .sources import Unit

ABI = 5
"""Raised when the arguments of a kernel change, or what they mean."""


@dataclass(frozen=True)
class Program:
    """Kernels that are compiled together.

    Attributes:
        name: such as ``"plain"``.
        unit: their source.
        options: of NVRTC; what is specialised on the fields stands here.
        spills: bytes of spill stores and loads together that a kernel may have.
    """

    name: str
    unit: Unit
    options: tuple[str, ...] = ()
    spills: int = 0

    @property
    def source(self) -> str:
        """SHA-256 over everything of ours that decides the machine code."""
        parts = [self.unit.sha256, *nvrtc.STANDARD_OPTIONS, *self.options]
        return hashlib.sha256(canonical(parts)).hexdigest()

    def spilling(self, kernels: Iterable[KernelResources]) -> list[KernelResources]:
        """Those that spill more than they may."""
        return [k for k in kernels if k.spill_stores + k.spill_loads > self.spills]


@dataclass(frozen=True)
class Shipped:
    """An engine directory's cubins; the files' hashes have been checked.

    Attributes:
        folder: the directory.
        cubins: as its manifest lists them.
    """

    folder: Path
    cubins: tuple[CubinSpec, ...] = ()


@dataclass(frozen=True)
class Obtained:
    """Machine code, ready to load.

    Attributes:
        image: the cubin, or PTX where NVRTC does not know the architecture.
        kernels: what each of its kernels takes; unknown of PTX.
        origin: where it came from, in words.
    """

    image: bytes
    kernels: tuple[KernelResources, ...]
    origin: str


def obtain(
    program: Program, architecture: str, shipped: Shipped | None, cache: CubinCache
) -> Obtained:
    """The machine code of a program.

    Args:
        architecture: of the GPU, such as ``"sm_90"``.
        shipped: an engine directory's cubins.

    Raises:
        Unavailable: no cubin fits, and NVRTC is not installed or does not know the architecture.
        Failure: it does not compile.
    """
    why = "no cubins are at hand"
    if shipped is not None:
        for cubin in shipped.cubins:
            if (cubin.program, cubin.architecture) == (program.name, architecture):
                if why := _mismatch(cubin, program):
                    break
                image = file_path(shipped.folder, cubin.file).read_bytes()
                return Obtained(image, cubin.kernels, cubin.file)
        else:
            there = sorted({c.architecture for c in shipped.cubins if c.program == program.name})
            why = f"its cubins are for {', '.join(there)}" if there else "it holds no cubins"
        why = f"{shipped.folder}: {why}"
    try:
        made = cache.obtain(program.unit, nvrtc.target(architecture), program.options)
    except MissingExtra as error:
        raise Unavailable(
            f"{program.name} kernels for {architecture}",
            expected="a cubin that fits, or NVRTC to compile one",
            found=f"{why}; NVRTC is {error.found}",
            remedy=error.remedy,
        ) from None
    origin = f"NVRTC {nvrtc.version()}"
    if made.architecture != architecture:
        origin += f", PTX of {made.architecture} that the driver compiles"
    return Obtained(made.image, made.kernels, origin)


def _mismatch(cubin: CubinSpec, program: Program) -> str:
    """Why a cubin for the right GPU does not fit; empty if it does."""
    if cubin.abi != ABI:
        return f"{cubin.file} has ABI {cubin.abi} instead of {ABI}"
    if cubin.source != program.source:
        return f"{cubin.file} was made from other sources"
    return ""
