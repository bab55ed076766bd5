"""The figures of a bundle, drawn from its data/: `python -m dmlviz.export.bundle.drawing FOLDER 0,2,4` draws those, and says each as it is there.

Many figures are drawn by as many processes as there are cores; Matplotlib draws one at a time in a process.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from dmlviz.core.types import InputError
from dmlviz.export.bundle.reading import AGAIN, StoredSheet, read_content, stored_picture
from dmlviz.export.sheet import drawn, sheet_bytes, sidecar_bytes
from dmlviz.jobs.local import child_environment

FORMATS = ("pdf", "svg", "png")
WORTH_IT = 8  # figures; fewer are drawn sooner than another process has begun
MOST_PROCESSES = 8
DRAWN = "drawn "


def draw_sheets(folder: Path, sheets: Sequence[StoredSheet], *, say: Callable[[str], None] = lambda words: None) -> None:
    """Write figures/ of all of them. Raises InputError with the first process's own sentence."""
    processes = min(os.cpu_count() or 1, MOST_PROCESSES, len(sheets) // (WORTH_IT // 2))
    if processes < 2:
        for one in sheets:
            draw_one(folder, one)
            say(one.file)
        return
    env = {**child_environment(), "OMP_NUM_THREADS": "1"}
    shares = [",".join(map(str, range(first, len(sheets), processes))) for first in range(processes)]
    command = [sys.executable, "-m", "dmlviz.export.bundle.drawing", str(folder)]
    with contextlib.ExitStack() as ends:
        # files, not pipes: a pipe that nobody reads blocks its writer once it is full
        said = [ends.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")) for _ in shares]
        started = [subprocess.Popen([*command, share], env=env, stdout=subprocess.PIPE, stderr=file, text=True)
                   for share, file in zip(shares, said, strict=True)]  # fmt: skip
        for one in started:
            ends.callback(_ended, one)
        for one, file in zip(started, said, strict=True):
            for line in one.stdout:
                if line.startswith(DRAWN):
                    say(line.removeprefix(DRAWN).strip())
            if one.wait():
                file.seek(0)
                words = file.read().strip().splitlines()
                raise InputError(words[-1] if words else "a process that draws figures ended without a word; try again")


def _ended(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def draw_one(folder: Path, one: StoredSheet) -> None:
    """One figure in every format, and its sidecar. Raises InputError where its data cannot be drawn."""
    try:
        sheet = drawn(one.spec, [stored_picture(folder, panel) for panel in one.panels], [dict(run) for run in one.runs])
        files = {fmt: sheet_bytes(sheet, fmt) for fmt in FORMATS} | {"json": sidecar_bytes(sheet)}
    except InputError as error:
        raise InputError(f"{one.file}: {error}") from None
    except Exception as error:  # data that fits its description and not its figure
        raise InputError(f"{one.file} cannot be drawn from its data ({type(error).__name__}); {AGAIN}") from error
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for kind, data in files.items():
        (folder / "figures" / f"{one.file}.{kind}").write_bytes(data)


def main(argv: Sequence[str]) -> int:
    folder, chosen = Path(argv[0]), [int(one) for one in argv[1].split(",")]
    try:
        sheets = read_content(folder).sheets
        for i in chosen:
            draw_one(folder, sheets[i])
            print(f"{DRAWN}{sheets[i].file}", flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
