"""How fast the looking pages are: maps in a real Chromium, checks of maps, similarity graphs. Prints one table per part.

    python benchmarks/look.py [--repeats 5] [--out benchmarks/results/look.md]

Runs look_maps.py, look_quality.py and look_graph.py one after the other, each in a process of its own.
Targets (2 cores, software GL): first frame 1 s and four panes 3 s at 10k texts, selection to highlight 0.5 s, graph of 2,000 nodes 1 s, of
5,000 10 s and 2 GB.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = {"Maps in the browser": "look_maps.py", "Checks and other maps": "look_quality.py", "Similarity graphs": "look_graph.py"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="the maps' and the graphs' numbers are medians of so many")
    parser.add_argument("--out", help="Markdown file to write")
    options = parser.parse_args()
    found = [f"# How fast looking is\n\n`python benchmarks/look.py` on {datetime.date.today()}, {os.cpu_count()} cores, no GPU.\n"]
    for title, script in PARTS.items():
        words = [sys.executable, str(HERE / script)]
        if script != "look_quality.py":
            words += ["--repeats", str(options.repeats)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return done.returncode
        found.append(f"## {title}\n\n{done.stdout.strip()}\n")
        print(found[-1], flush=True)
    if options.out:
        Path(options.out).write_text("\n".join(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
