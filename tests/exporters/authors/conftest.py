"""A set of published checkpoints, its import and its engine directory, each made once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from emogene.exporters.authors.assemble import ImportOptions, Sources, import_avatar
from emogene.reference.avatar import ReferenceAvatar
from tests.tiny_avatar import once

from .checkpoints import Folders, folders_in, write_folders
from .shared_exports import build_sharing_speech


def sources_of(folders: Folders) -> Sources:
    """What `import_avatar` is given."""
    return Sources(
        folders.a2m,
        folders.lm_deform,
        folders.torso,
        folders.dataset,
        folders.bfm,
        folders.head,
        str(folders.hubert),
    )


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """With super-resolution, a torso that sees the head, and 64 outputs. Read only."""
    return folders_in(once(tmp_path_factory, "published", write_folders))


@pytest.fixture(scope="session")
def imported(folders: Folders) -> ReferenceAvatar:
    """The avatar they make, with blinks."""
    return import_avatar(sources_of(folders), ImportOptions("person", blink=True))


@pytest.fixture(scope="session")
def imported_engines(tmp_path_factory: pytest.TempPathFactory, imported: ReferenceAvatar) -> Path:
    """Its engine directory. Read only."""
    checkpoints = once(tmp_path_factory, "published-checkpoints", imported.save)
    return once(
        tmp_path_factory, "published-engines", lambda to: build_sharing_speech(checkpoints, to)
    )
