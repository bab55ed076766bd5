"""Other people's files, one shape a row: is each read rightly, or refused in a sentence? python benchmarks/border_files.py [--out FILE.md]

Makes the files of border_shapes.py in a temporary folder, and reads those of ../shared/cases as well where they are.
A row is right where rows, classes and the words of a note (or of the refusal) are those that it names; exit status 1 when one is wrong.
`python benchmarks/borders.py` prints this table and that of other people's models.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
from border_shapes import ENDINGS, SHAPES, Shape  # noqa: E402

from dmlviz.core.types import InputError, TextDataset  # noqa: E402
from dmlviz.data import load_dataset  # noqa: E402

CASES = ROOT.parent / "shared" / "cases" / "readers"
FROM_CASES = {  # file -> rows, classes
    "b01_SST-2": (240, 2),
    "a14_unbalanced.tsv": (120, 4),
    "a39_sepline.csv": (120, 4),
    "a39b_comment.csv": (120, 4),
    "a13_prodigy_binary.jsonl": (90, 3),
    "a15g_snli.jsonl": (80, 2),
    "a15d_qnli.tsv": (120, 2),
    "a15f_qqp.tsv": (120, 2),
    "a15c_mrpc.tsv": (120, 2),
    "a03_perclass": (120, 4),
    "a04_hf_dict": (120, 4),
    "a05_shards": (120, 4),
    "a05c_classlabel.parquet": (120, 4),
    "a12_doccano.jsonl": (120, 4),
    "a06d_clinc.json": (120, 4),
    "a10b_argilla1.jsonl": (120, 4),
    "a07d_onehot.csv": (120, 4),
    "a16_fasttext.txt": (120, 4),
    "a08b_agnews.csv": (None, 0),
}


def shapes() -> list[Shape]:
    """Those made here, and the cases where they are."""
    cases = [
        Shape(f"case {name}", lambda _, name=name: CASES / name, rows, classes, "" if rows else "Choose with --text-column and --label-column")
        for name, (rows, classes) in FROM_CASES.items()
    ]
    return [*SHAPES, *(cases if CASES.is_dir() else [])]


def judged(shape: Shape, folder: Path) -> tuple[bool, str, str, str, str]:
    """(right?, read, rows, labels, note) of one shape."""
    try:
        dataset = load_dataset(shape.make(folder), home=folder / "home", **shape.chosen)
    except InputError as error:
        right = shape.rows is None and shape.words in str(error) and "\n" not in str(error)
        return right, "refused", "-", "-", str(error)
    except Exception as error:  # a traceback is what this script looks for
        return False, "FAILED", "-", "-", f"{type(error).__name__}: {error}"
    notes = [note.sentence for note in dataset.notes]
    said = [note for note in notes if shape.words in note]
    right = (len(dataset.texts), len(dataset.label_names)) == (shape.rows, shape.classes) and bool(said or not shape.words) and not mixed_up(dataset)
    said = " ".join(
        said[:1] if shape.words else [note for note in notes if not note.startswith("columns guessed: texts from 'text', labels from 'label'.")]
    )
    names = ", ".join(dataset.label_names[:4]) + (" …" if len(dataset.label_names) > 4 else "")
    return (
        right,
        "read" + (" (pairs)" if dataset.text_pairs is not None else ""),
        f"{len(dataset.texts)}",
        f"{len(dataset.label_names)}: {names}",
        said,
    )


def mixed_up(dataset: TextDataset) -> bool:
    """Have texts of one kind (their words say which) labels of two kinds, or both kinds the same? What a pair is, its first text does not say."""
    if dataset.text_pairs is not None:
        return False
    names = [dataset.label_names[label] for label in dataset.labels]
    found = [{name for text, name in zip(dataset.texts, names, strict=True) if ending in text} for ending in ENDINGS]
    return any(len(labels) > 1 for labels in found) or bool(found[0] & found[1])


def border_rows() -> list[tuple[str, bool, str, str, str, str]]:
    """(name, right?, read, rows, labels, note) of every shape."""
    rows = []
    for shape in shapes():
        with tempfile.TemporaryDirectory() as folder:
            right, *cells = judged(shape, Path(folder))
            rows.append((shape.name, right, *(cell.replace(folder, "…") for cell in cells)))
    return rows


def markdown(rows: list[tuple[str, bool, str, str, str, str]]) -> str:
    cell = lambda text: re.sub(r"\s+", " ", text).replace("|", "\\|")  # noqa: E731
    lines = ["| shape | right | read | rows | labels | note or refusal |", "|---|---|---|---|---|---|"]
    lines += [f"| {cell(name)} | {'yes' if right else 'NO'} | {' | '.join(map(cell, cells))} |" for name, right, *cells in rows]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = border_rows()
    wrong = [name for name, right, *_ in rows if not right]
    ending = f"{len(rows) - len(wrong)} of {len(rows)} shapes are read rightly or refused in a sentence."
    text = "\n".join(["# Other people's files", "", f"`python benchmarks/border_files.py`: {ending}", "", markdown(rows), ""])
    print(text)
    if wrong:
        print(f"wrong: {', '.join(wrong)}", file=sys.stderr)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
