"""Files of a home that cannot be read, in one sentence: which file, whose, what is wrong with it, the mend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dmlviz.core.types import DamagedError, InputError

OF_RUN = "copy it back from a backup, or delete the run and train it again"


@contextlib.contextmanager
def reading(path: Path, whose: str, mend: str, *, run_id: str = "", dataset_hash: str = "", name: str = "") -> Iterator[None]:
    """Whatever goes wrong in here is the file's fault: bytes that are not theirs make readers raise anything, down to MemoryError.

    Raises DamagedError: 'split.json of run X is empty; copy it back ...'. `name`: what the file is called there, where its own name is not enough."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise damaged(name or path.name, whose, wrong_with(path, error), mend, run_id=run_id, dataset_hash=dataset_hash) from error


def damaged(name: str, whose: str, wrong: str, mend: str, *, run_id: str = "", dataset_hash: str = "") -> DamagedError:
    """The error with its sentence."""
    return DamagedError(f"{name} of {whose} {wrong}; {mend}", run_id, dataset_hash)


def wrong_with(path: Path, error: Exception) -> str:
    """'is empty', 'is missing' ... of a file that could not be read."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "is missing"
    except OSError as why:
        return f"cannot be read ({why.strerror or why})"
    if size == 0:
        return "is empty"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror or error})"
    return "is damaged, or was written by another version"
