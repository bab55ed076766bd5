"""The figures of a bundle, drawn from its data/: `python -m dmlviz.bundles.drawing FOLDER 0,2,4` draws those, and says each as it is there.

Many figures are drawn by as many processes as there are cores; Matplotlib draws one at a time in a process.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dmlviz.draw import Picture
from dmlviz.export import details_json
from dmlviz.frame_files import read_frame
from dmlviz.records import InputError, SheetSpec
from dmlviz.sheets import Sheet, drawn, sheet_bytes

FORMATS = ("pdf", "svg", "png")
WORTH_IT = 8  # figures; fewer are drawn sooner than another process has begun
MOST_PROCESSES = 8
DRAWN = "drawn "


def draw_sheets(folder: Path, sheets: Sequence[Mapping[str, Any]], *, say: Callable[[str], None] = lambda words: None) -> None:
    """Write figures/ of all of them. Raises InputError with the first process's own sentence."""
    processes = min(os.cpu_count() or 1, MOST_PROCESSES, len(sheets) // (WORTH_IT // 2))
    if processes < 2:
        for one in sheets:
            draw_one(folder, one)
            say(one["file"])
        return
    root = str(Path(__file__).resolve().parents[2])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep), "OMP_NUM_THREADS": "1"}
    shares = [",".join(map(str, range(first, len(sheets), processes))) for first in range(processes)]
    command = [sys.executable, "-m", "dmlviz.bundles.drawing", str(folder)]
    started = [subprocess.Popen([*command, share], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for share in shares]
    try:
        for one in started:
            for line in one.stdout:
                if line.startswith(DRAWN):
                    say(line.removeprefix(DRAWN).strip())
            words = one.stderr.read().strip().splitlines()
            if one.wait():
                raise InputError(words[-1] if words else "a process that draws figures ended without a word; try again")
    finally:
        for one in started:
            if one.poll() is None:
                one.kill()
            one.wait()


def draw_one(folder: Path, one: Mapping[str, Any]) -> None:
    """One figure in every format, and its sidecar."""
    sheet = drawn(SheetSpec.model_validate(one["spec"]), [_picture(folder, panel) for panel in one["panels"]], one["runs"])
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for fmt in FORMATS:
        (folder / "figures" / f"{one['file']}.{fmt}").write_bytes(sheet_bytes(sheet, fmt))
    (folder / "figures" / f"{one['file']}.json").write_bytes(_sidecar(sheet))


def _picture(folder: Path, panel: Mapping[str, Any]) -> Picture:
    data = (folder / "data" / panel["data"]).read_bytes()
    schema = json.loads((folder / "data" / panel["columns"]).read_text(encoding="utf-8"))
    frame = read_frame(gzip.decompress(data) if panel["data"].endswith(".gz") else data, schema)
    return Picture(panel["name"], frame, dict(panel["options"]), panel["caption"], list(panel["words"]))


def _sidecar(sheet: Sheet) -> bytes:
    told = sheet.provenance
    said = {"title": told.title, "caption": told.caption, "notes": sheet.words, **json.loads(details_json(told.details))}
    return (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "replace")


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
