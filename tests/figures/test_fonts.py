"""A figure is the same to the byte on every machine: its fonts come with the package, and what a machine lends is said."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pypdf
import pytest
from figure_cases import make_pane
from matplotlib import font_manager
from test_narrow import frame

from dmlviz.core.types import FigureSpec, InputError, SheetSpec
from dmlviz.export.checks.files import check_bytes
from dmlviz.export.files import figure_bytes
from dmlviz.export.load_figure import Picture
from dmlviz.export.sheet import drawn, sheet_bytes
from dmlviz.figures import FIGURES
from dmlviz.figures.base import fonts
from dmlviz.figures.base.paper import canvas, text
from dmlviz.figures.base.presets import preset
from dmlviz.figures.maps import manifold

ROOT = Path(__file__).resolve().parents[2]
OURS = {"LiberationSans", "LiberationSans-Bold", "LiberationSerif", "LiberationSerif-Bold", "DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif",
        "DejaVuSerif-Bold", "STIXGeneral-Regular", "STIXGeneral-Bold"}  # fmt: skip


def fonts_in(pdf: bytes) -> set[str]:
    found = pypdf.PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"]["/Font"].get_object().values()
    return {str(font.get_object()["/BaseFont"]).lstrip("/").split("+")[-1] for font in found}


@pytest.mark.parametrize("family", fonts.STACKS)
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_set_in_the_packages_fonts(name, family):
    with fonts.typeset(family):
        used = fonts_in(figure_bytes(FIGURES[name].paper(frame(name), preset("acl-text")), "pdf"))
    assert used
    assert used <= OURS


def test_another_version_that_is_installed_under_the_same_name_is_not_taken(monkeypatch):
    """And the licence lies beside the files."""
    fonts.font_stack()
    other = font_manager.findfont("DejaVu Sans Mono")
    entries = [font_manager.FontEntry(other, name=name, weight=weight) for name in fonts.PACKAGED for weight in (400, 700)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*entries, *font_manager.fontManager.ttflist])
    font_manager.fontManager._findfont_cached.cache_clear()
    figure = canvas(60, 20)
    text(figure, 2, 10, "Wide and narrow", size=7)
    assert fonts_in(figure_bytes(figure, "pdf")) == {"LiberationSans"}
    assert "SIL OPEN FONT LICENSE Version 1.1" in (fonts.LIBERATION / "LICENSE.txt").read_text()


def test_a_font_file_that_was_changed_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "LIBERATION", tmp_path)
    fonts._register.cache_clear()
    try:
        with pytest.raises(InputError, match=r"LiberationSans-Regular\.ttf of this installation is missing or changed"):
            fonts._register()
    finally:
        monkeypatch.undo()
        fonts._register()


def test_a_font_that_the_machine_lends_is_said(monkeypatch):
    """Here DejaVu Sans Mono stands for a font of another script: no family of the package has APL's signs."""
    monkeypatch.setattr(fonts, "OTHER_SCRIPTS", ("DejaVu Sans Mono",))
    fonts._stack.cache_clear()
    table = manifold.frame([make_pane("soft_triple", 2)], ["Ω plain", "lent"], ["text"] * 400)
    picture = Picture("manifold", table, {}, "What it shows.", [])
    spec = SheetSpec(panels=(FigureSpec(name="manifold", run_ids=("a",)),))
    assert not [one for one in drawn(spec, [picture]).words if "installed on this machine" in one]

    assert fonts.borrowed(["Ω ⍋", "⍋⍒"]) == {"DejaVu Sans Mono": "⍋⍒"}
    table = manifold.frame([make_pane("soft_triple", 2)], ["Ω plain", "lent ⍋"], ["text"] * 400)
    made = drawn(spec, [picture._replace(frame=table)])
    fonts._stack.cache_clear()
    assert "Some characters are drawn in DejaVu Sans Mono, which is installed on this machine" in " ".join(made.words)
    data = sheet_bytes(made, "pdf")
    assert json.loads(pypdf.PdfReader(io.BytesIO(data)).metadata["/DMLViz"])["other_fonts"] == ["DejaVu Sans Mono"]
    assert fonts_in(data) == {"LiberationSerif", "LiberationSerif-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold"}
    said = next(one for one in check_bytes(data, "pdf") if one.name == "fonts")
    assert "DejaVu Sans Mono came from the machine that drew it" in said.said


DRAW = """
import hashlib, sys
sys.path[:0] = ["tests", "tests/figures"]
from matplotlib import font_manager
if sys.argv[1] == "bare":  # a machine without a font of its own
    font_manager.fontManager.ttflist = [one for one in font_manager.fontManager.ttflist if "mpl-data" in one.fname]
from test_narrow import frame
from dmlviz.export.files import figure_bytes
from dmlviz.figures import FIGURES
from dmlviz.figures.base import fonts
from dmlviz.figures.base.presets import preset
for name in ("manifold", "centers_use", "graph", "gain_forest", "attribution_words", "confusion"):
    with fonts.typeset("serif"):
        figure = FIGURES[name].paper(frame(name), preset("acl-column"))
        for fmt in ("pdf", "svg", "png"):
            print(name, fmt, hashlib.sha256(figure_bytes(figure, fmt)).hexdigest())
"""


@pytest.mark.slow
def test_machines_that_differ_in_fonts_settings_language_and_time_make_the_same_bytes(tmp_path):
    rc = tmp_path / "matplotlibrc"
    rc.write_text("text.hinting: none\nlines.solid_capstyle: butt\naxes.linewidth: 3\nfont.size: 20\npdf.compression: 0\nsavefig.bbox: tight\n"
                  "path.snap: False\nxtick.direction: in\n")  # fmt: skip
    elsewhere = {"MATPLOTLIBRC": str(rc), "HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path / "mpl"), "XDG_CACHE_HOME": str(tmp_path / "cache"),
                 "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}  # fmt: skip
    said = []
    for machine, own in (("full", {}), ("bare", elsewhere)):
        done = subprocess.run([sys.executable, "-c", DRAW, machine], env={**os.environ, **own}, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.splitlines())
    assert len(said[0]) == 18
    assert said[0] == said[1]


def test_ours_are_the_fonts_of_the_package():
    """The names that PDF files show, read from the files themselves."""
    ttf = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = [(fonts.LIBERATION if face.sha256 else ttf) / file for face in fonts.PACKAGED.values() for file in face[:2]]
    assert {font_manager.get_font(file).postscript_name for file in files} == OURS
