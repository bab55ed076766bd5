"""A folder `<name>/{train,dev,test,all}` with one file per part, in any format that files.py reads."""

from __future__ import annotations

from pathlib import Path

from dmlviz.data.cleaning import Rows, build_dataset
from dmlviz.data.columns import PART_WORDS
from dmlviz.data.files import READERS, ending_of, read_bytes, read_rows, stem
from dmlviz.data.wording import listed
from dmlviz.records import InputError, PathLike, TextDataset

LAYOUT = "train.jsonl.gz and test.jsonl.gz (dev is optional), or all.jsonl.gz"


def read_folder(
    path: PathLike, name: str | None = None, *, text: str | None = None, label: str | None = None, text_pair: str | None = None
) -> TextDataset:
    """The data set of a folder's part files: dev is "val", all is "train". Rows that repeat stay, as they were published.

    Raises InputError for a folder without such files, two files for one part, or whatever a file's reader refuses.
    """
    folder = Path(path)
    files = part_files(folder)
    rows, notes = Rows([], [], []), ()
    for part, file in files.items():
        raw, shown_name = read_bytes(file)
        found, more = read_rows(raw, f"{folder.name}/{shown_name}", text=text, label=label, text_pair=text_pair)
        rows = _joined(rows, found, part, f"{folder.name}/{shown_name}")
        notes += more
    said = tuple({(each.kind, each.sentence): each for each in notes}.values())
    sentence = f"The folder {folder}: {', '.join(file.name for file in files.values())}."
    return build_dataset(rows, name=name or folder.resolve().name, source=sentence, notes=said, keep_repeats=True)


def part_files(folder: Path) -> dict[str, Path]:
    """Part -> its file, in the order train, val, test."""
    try:
        inside = sorted(file for file in folder.iterdir() if ending_of(file.name) in READERS and stem(file.name).lower() in PART_WORDS)
    except (OSError, ValueError) as error:
        raise InputError(f"the folder {folder} cannot be opened ({getattr(error, 'strerror', None) or error}); check the path.") from None
    files: dict[str, Path] = {}
    for file in inside:
        part = PART_WORDS[stem(file.name).lower()]
        if part in files:
            raise InputError(f"the folder {folder} has two files for one part, {listed([files[part].name, file.name])}; keep one.")
        files[part] = file
    if "train" not in files:
        raise InputError(f"the folder {folder} has no training texts; it needs {LAYOUT}.")
    return {part: files[part] for part in ("train", "val", "test") if part in files}


def _joined(rows: Rows, more: Rows, part: str, shown_name: str) -> Rows:
    if rows.texts and (rows.pairs is None) != (more.pairs is None):
        raise InputError(f"{shown_name} and the other parts differ: only some have a second text (text_pair). Give all of them the same columns.")
    pairs = None if more.pairs is None else [*(rows.pairs or ()), *more.pairs]
    return Rows([*rows.texts, *more.texts], [*rows.labels, *more.labels], [*rows.parts, *[part] * len(more.texts)], pairs)
