"""What comes from elsewhere, right or refused with a sentence: 16 architectures of models and 60 shapes of files. python benchmarks/borders.py

Prints the tables of border_models.py and border_files.py; exit status 1 when a row is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import border_files
import border_models


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    return border_models.main() | border_files.main()


if __name__ == "__main__":
    sys.exit(main())
