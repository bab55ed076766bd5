"""How closely each loss computes its formula: python benchmarks/loss_parity.py

Prints a table loss x oracle x largest relative error of the value and of the gradient, over five random batches, in
float64 and float32. Exits 1 when a row is over its limit. The oracles are those of the tests (tests/losses/oracles.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "losses")]

from oracles import CASES, Case, errors  # noqa: E402

BATCHES = range(5)
LIMIT_FLOAT32 = 1e-4


def worst(case: Case, dtype: torch.dtype) -> tuple[float, float]:
    """Largest value error and largest gradient error over the batches."""
    values, gradients = zip(*(errors(case, dtype, seed) for seed in BATCHES), strict=True)
    return max(values), max(gradients)


def main() -> int:
    torch.set_num_threads(1)
    print("| loss / oracle | float64 value | gradient | float32 value | gradient | within |")
    print("|---|---|---|---|---|---|")
    failed = 0
    for case in CASES:
        exact, single = worst(case, torch.float64), worst(case, torch.float32)
        limit = max(LIMIT_FLOAT32, case.limit)
        good = max(exact) <= case.limit and max(single) <= limit
        failed += not good
        cells = " | ".join(f"{error:.1e}" for error in (*exact, *single))
        print(f"| {case.title} | {cells} | {case.limit:.0e}, {limit:.0e} {'yes' if good else 'NO'} |")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
