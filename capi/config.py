"""``emogene-config``: tells build systems where headers, library and environment are."""

from __future__ import annotations

import importlib.resources
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..contract.errors import BadOption, Unavailable
from ..runtime.command_line import run

app = typer.Typer(name="emogene-config", add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Entry point of ``emogene-config``."""
    run(app)


def installed() -> Path:
    """The folder that holds ``lib/libemogene.so``, ``include/`` and ``cmake/``.

    Raises:
        Unavailable: the library is not there.
    """
    library = Path(str(importlib.resources.files(__package__) / "lib" / "libemogene.so"))
    if not library.is_file():
        raise Unavailable(
            str(library),
            expected="the library with the C ABI",
            found="no such file",
            remedy="install the package again: pip install .",
        )
    return library.parents[1]


@app.command()
def emogene_config(
    cflags: Annotated[bool, typer.Option("--cflags", help="Flags for the compiler.")] = False,
    libs: Annotated[bool, typer.Option("--libs", help="Flags for the linker.")] = False,
    venv: Annotated[bool, typer.Option("--venv", help="The environment it runs in.")] = False,
    cmakedir: Annotated[
        bool, typer.Option("--cmakedir", help="What emogene_DIR is set to for find_package.")
    ] = False,
    includedir: Annotated[bool, typer.Option("--includedir", help="Folder of emogene.h.")] = False,
    libdir: Annotated[bool, typer.Option("--libdir", help="Folder of libemogene.so.")] = False,
    version: Annotated[bool, typer.Option("--version", help="The version.")] = False,
) -> None:
    """Where C and C++ programs find EmoGene; what is asked for stands on one line, in this order:
    cflags, libs, venv, cmakedir, includedir, libdir, version."""
    folder = installed()
    include, library = folder / "include", folder / "lib"
    answers = (
        (cflags, [f"-I{include}"]),
        (libs, [f"-L{library}", f"-Wl,-rpath,{library}", "-lemogene"]),
        (venv, [sys.prefix]),
        (cmakedir, [str(folder / "cmake")]),
        (includedir, [str(include)]),
        (libdir, [str(library)]),
        (version, [__version__]),
    )
    wanted = [word for asked, words in answers if asked for word in words]
    if not wanted:
        raise BadOption(
            "emogene-config",
            expected="what to tell, such as --cflags --libs",
            found="nothing asked for",
            remedy="see emogene-config --help",
        )
    print(shlex.join(wanted))
