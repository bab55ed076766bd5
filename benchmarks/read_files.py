"""How fast a large file is read and tens of thousands of classes are drawn from: python benchmarks/read_files.py [--rows 1000000] [--out FILE.md]

Makes CSV files, reads each in a process of its own and prints CPU seconds (all threads, without imports) and the peak of its memory over the file's
size, beside pandas and pyarrow, which look at nothing. Then the draw from many classes, and what a click on the Train page costs after an upload.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
LABELS = ("billing", "delivery", "praise", "returns")
CLASSES = 47_547
MEASURE = """
import json, resource, sys, time
from pathlib import Path
{imports}
def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, began = megabytes(), time.process_time()
{statement}
print(json.dumps({{"cpu": time.process_time() - began, "peak": megabytes(), "before": before}}))
"""
READERS = {
    "DMLViz: read, checked, hashed": ("from dmlviz.data import read_file", "found = read_file(sys.argv[1])"),
    "DMLViz, the careful reader alone": (
        "from dmlviz.data import files, formats, read_file\nformats.LARGE = files.LARGE = 10**12", "found = read_file(sys.argv[1])"),
    "pandas": ("import pandas", "found = pandas.read_csv(sys.argv[1])"),
    "pyarrow": ("from pyarrow import csv", "found = csv.read_csv(sys.argv[1])"),
}  # fmt: skip


def make_csv(path: Path, rows: int, kind: str) -> None:
    """About 192 bytes a row. "regular": every fifth text quoted, as a writer does; "line ends": one text in a hundred goes over two lines."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for i in range(rows):
            text = " ".join(rng.choices(words, k=rng.randint(20, 36)))
            if kind == "line ends" and i % 100 == 0:
                text = '"' + text.replace(" ", "\n", 1) + '"'
            elif i % 5 == 0:
                text = '"' + text.replace(" ", ", ", 1) + '"'
            file.write(f"{text},{LABELS[i % 4]}\n")


def measured(imports: str, statement: str, path: Path) -> dict[str, float]:
    """CPU seconds and megabytes of a statement in a fresh process; the best of three in CPU time."""
    code = MEASURE.format(imports=imports, statement=statement)
    runs = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return min(runs, key=lambda one: one["cpu"])


def reading(rows: int, folder: Path) -> list[str]:
    lines = []
    for kind in ("regular", "line ends"):
        path = folder / f"{kind.replace(' ', '_')}.csv"
        make_csv(path, rows, kind)
        size = path.stat().st_size / 2**20
        for title, (imports, statement) in READERS.items():
            if kind != "regular" and "careful" in title:
                continue  # it reads this file anyway
            found = measured(imports, statement, path)
            times = found["peak"] / size
            lines.append(f"| {kind}, {size:,.0f} MB | {title} | {found['cpu']:.2f} | {found['peak']:,.0f} | {times:.1f} | {found['before']:,.0f} |")
    return lines


def drawing() -> list[str]:
    """The draw from four texts in each of many classes."""
    import numpy as np

    from dmlviz.core.types import TextDataset
    from dmlviz.data import draw_split

    lines = []
    for classes in (77, 5_000, CLASSES):
        count = 4 * classes
        texts = tuple(f"text {i}" for i in range(count))
        names = tuple(f"class {i:06}" for i in range(classes))
        dataset = TextDataset("many", texts, np.arange(count) % classes, names, np.array(["train"] * count), f"{classes}", "made for a benchmark")
        began = time.process_time()
        split = draw_split(dataset, shots=2)
        lines.append(f"| {classes:,} | {count:,} | {time.process_time() - began:.2f} | {len(split.support):,} | {len(split.test):,} |")
    return lines


def clicking(path: Path, folder: Path) -> list[str]:
    """Seconds of the Train page: the first run with the upload, and a click after it."""
    os.environ["DMLVIZ_HOME"] = str(folder / "home")
    os.environ.pop("DMLVIZ_DATA", None)
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=900).run()
    app.switch_page("pages/train.py").run()
    app.selectbox(key="train_data").set_value("upload").run()
    content = path.read_bytes()
    seconds = []
    for step in (
        lambda: app.file_uploader[0].set_value((path.name, content, "text/csv")).run(),
        lambda: app.number_input(key="train_shots").set_value(4).run(),
        lambda: app.number_input(key="train_epochs").set_value(3).run(),
    ):
        began = time.process_time()
        step()
        assert not app.exception
        seconds.append(time.process_time() - began)
    return [f"| {path.stat().st_size / 2**20:,.1f} MB | {seconds[0]:.1f} | {seconds[1]:.2f} | {seconds[2]:.2f} |"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            "# Reading files", "",
            f"`python benchmarks/read_files.py`: {given.rows:,} rows of CSV, the best of three processes. {time.strftime('%Y-%m-%d')}, "
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (shared with other work).", "",
            "| file | reader | CPU, s | peak memory, MB | times the file | before reading, MB |", "|---|---|---|---|---|---|",
            *reading(given.rows, folder), "",
            "| classes | texts | draw, CPU s | shots drawn | test texts |", "|---|---|---|---|---|", *drawing(), "",
            "| upload | first run of the page, CPU s | a click on shots | a click on epochs |", "|---|---|---|---|",
        ]  # fmt: skip
        make_csv(folder / "small.csv", 10_000, "regular")
        for path in (folder / "small.csv", folder / "regular.csv"):
            lines += clicking(path, folder)
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
