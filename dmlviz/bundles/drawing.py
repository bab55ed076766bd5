"""The figures of a bundle, drawn from its data/: `python -m dmlviz.bundles.drawing FOLDER 0,2,4` draws those, and says each as it is there.

Many figures are drawn by as many processes as there are cores; Matplotlib draws one at a time in a process.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dmlviz.draw import Picture
from dmlviz.frame_files import read_frame
from dmlviz.records import InputError, SheetSpec
from dmlviz.sheets import drawn, sheet_bytes, sidecar_bytes
from dmlviz.training.local import child_environment

FORMATS = ("pdf", "svg", "png")
WORTH_IT = 8  # figures; fewer are drawn sooner than another process has begun
MOST_PROCESSES = 8
DRAWN = "drawn "
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def draw_sheets(folder: Path, sheets: Sequence[Mapping[str, Any]], *, say: Callable[[str], None] = lambda words: None) -> None:
    """Write figures/ of all of them. Raises InputError with the first process's own sentence."""
    processes = min(os.cpu_count() or 1, MOST_PROCESSES, len(sheets) // (WORTH_IT // 2))
    if processes < 2:
        for one in sheets:
            draw_one(folder, one)
            say(one["file"])
        return
    env = {**child_environment(), "OMP_NUM_THREADS": "1"}
    shares = [",".join(map(str, range(first, len(sheets), processes))) for first in range(processes)]
    command = [sys.executable, "-m", "dmlviz.bundles.drawing", str(folder)]
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


def plain(name: object) -> str:
    """A file's name as a bundle makes it. Raises InputError for one that could lead elsewhere."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(f"the bundle names the file {str(name)[:60]!r}, which no bundle does; take its own data/content.json again")
    return name


def draw_one(folder: Path, one: Mapping[str, Any]) -> None:
    """One figure in every format, and its sidecar."""
    plain(one["file"])
    sheet = drawn(SheetSpec.model_validate(one["spec"]), [_picture(folder, panel) for panel in one["panels"]], one["runs"])
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for fmt in FORMATS:
        (folder / "figures" / f"{one['file']}.{fmt}").write_bytes(sheet_bytes(sheet, fmt))
    (folder / "figures" / f"{one['file']}.json").write_bytes(sidecar_bytes(sheet))


def _picture(folder: Path, panel: Mapping[str, Any]) -> Picture:
    data = (folder / "data" / plain(panel["data"])).read_bytes()
    schema = json.loads((folder / "data" / plain(panel["columns"])).read_text(encoding="utf-8"))
    frame = read_frame(gzip.decompress(data) if panel["data"].endswith(".gz") else data, schema)
    return Picture(panel["name"], frame, dict(panel["options"]), panel["caption"], list(panel["words"]), encoder=str(panel.get("encoder", "")))


def main(argv: Sequence[str]) -> int:
    folder, chosen = Path(argv[0]), [int(one) for one in argv[1].split(",")]
    sheets = json.loads((folder / "data" / "content.json").read_text(encoding="utf-8"))["sheets"]
    for i in chosen:
        try:
            draw_one(folder, sheets[i])
        except InputError as error:
            print(f"{sheets[i]['file']}: {error}", file=sys.stderr)
            return 2
        print(f"{DRAWN}{sheets[i]['file']}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
