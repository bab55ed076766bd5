"""A real TeX: tests that need it skip with the reason where there is none. A CI that could install it must have it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def need_tex(*styles: str, programs: tuple[str, ...] = ("pdflatex",)) -> None:
    """Skip without these programs and style files; fail instead where DMLVIZ_CI is set."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing and shutil.which("kpsewhich"):
        missing = [style for style in styles if not _known(style)]
    if missing and os.environ.get("DMLVIZ_CI"):
        pytest.fail(f"CI has no {', '.join(missing)}; .ci/run installs TeX Live")
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine")


def pdflatex(folder: Path, file: str) -> str:
    """Compile the file in its folder; returns the log, fails with its end."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-3000:]
    return (folder / file).with_suffix(".log").read_text(encoding="utf-8", errors="replace")


def _known(style: str) -> bool:
    return bool(subprocess.run(["kpsewhich", style], capture_output=True, text=True, check=False).stdout.strip())
