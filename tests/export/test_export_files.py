"""Files: exact, without Type 3 fonts, the same bytes every time, harmless in a spreadsheet."""

import base64
import io
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pypdf
import pytest
from figure_cases import HOSTILE, make_pane, names
from matplotlib.figure import Figure
from PIL import Image

from dmlviz.core.types import InputError
from dmlviz.export.files import Provenance, csv_bytes, figure_bytes, file_name, save_figure
from dmlviz.figures.base import presets
from dmlviz.figures.base.theme import drawing
from dmlviz.figures.maps import manifold

TOLD = Provenance("Maps of <R8>", "What it shows & how 名", ("run-1", "run-2"))


def figure(preset="acl-column", label_names=HOSTILE, count=2):
    panes = [make_pane("soft_triple", len(label_names), seed=i, lr=0.1 + i) for i in range(count)]
    table = manifold.frame(panes, label_names, ["text"] * 1000, parts=("test", "validation", "support"))
    return manifold.paper(table, presets.preset(preset))


def fonts(page):
    found = [page["/Resources"]["/Font"][name].get_object() for name in page["/Resources"]["/Font"]]
    return [font["/DescendantFonts"][0].get_object()["/Subtype"] if "/DescendantFonts" in font else font["/Subtype"] for font in found]


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_pdf_has_the_width_truetype_fonts_and_text_of_six_points(preset):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that is missing without a word
        data = figure_bytes(figure(preset), "pdf", provenance=TOLD)
    page = pypdf.PdfReader(io.BytesIO(data)).pages[0]
    assert float(page.mediabox.width) / 72 * 25.4 == pytest.approx(presets.PRESETS[preset].width_mm, abs=0.1)
    assert set(fonts(page)) <= {"/CIDFontType2", "/TrueType"}
    sizes = []
    page.extract_text(visitor_text=lambda words, cm, tm, font, size: sizes.append(size) if words.strip() else None)
    assert min(sizes) >= presets.MIN_PT - 1e-6
    assert "SoftTriple" in page.extract_text()
    assert len(data) < 2_000_000


def test_files_tell_what_they_are():
    info = pypdf.PdfReader(io.BytesIO(figure_bytes(figure(), "pdf", provenance=TOLD))).metadata
    assert (info.title, info.subject, info["/Keywords"]) == (TOLD.title, TOLD.caption, "run-1, run-2")
    assert info.creator.startswith("DMLViz")
    assert "/CreationDate" not in info
    svg = figure_bytes(figure(), "svg", provenance=TOLD).decode()
    assert "Maps of &lt;R8&gt;" in svg
    assert "<script" not in svg
    assert "<dc:date>" not in svg
    from PIL import Image

    png = Image.open(io.BytesIO(figure_bytes(figure("single"), "png", provenance=TOLD)))
    assert (png.info["Title"], png.info["Description"]) == (TOLD.title, TOLD.caption)
    assert png.width == pytest.approx(85 / 25.4 * 300, abs=1)


def test_equal_figures_are_equal_bytes_in_every_process():
    code = (
        "import sys, hashlib; sys.path[:0] = ['tests', 'tests/export']; import test_export_files as t\n"
        "print([hashlib.sha256(t.figure_bytes(t.figure(), fmt, provenance=t.TOLD)).hexdigest() for fmt in ('pdf', 'svg', 'png')])"
    )
    root = Path(__file__).parents[2]
    told = {"cwd": root, "capture_output": True, "text": True, "check": True}
    made = [subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, **told).stdout for seed in ("1", "2")]
    assert made[0] == made[1]


def test_save_writes_the_format_of_the_name(tmp_path):
    drawn = figure(label_names=names(2), count=1)
    for suffix, magic in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("PNG", b"\x89PNG")):
        path = save_figure(drawn, tmp_path / "new" / f"figure.{suffix}")
        assert path.read_bytes().startswith(magic)
    assert len(list((tmp_path / "new").iterdir())) == 3
    with pytest.raises(InputError, match=r"choose .pdf, .svg or .png"):
        save_figure(drawn, tmp_path / "figure.docx")
    with pytest.raises(InputError, match="without an extension"):
        save_figure(drawn, tmp_path / "figure")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        save_figure(drawn, tmp_path / "file" / "figure.pdf")


def test_csv_runs_no_cell_and_changes_no_number():
    cells = ["=1+1", "+a", "-b", "@c", "\td", "\re", "fine", "a=b", None]
    frame = pd.DataFrame({"text": cells, "x": [-1.5, 2, 3, 4, 5, 6, 7, 8, 9], "=name": range(9)})
    read = pd.read_csv(io.BytesIO(csv_bytes(frame)), keep_default_na=False)
    assert list(read.columns) == ["text", "x", "'=name"]
    assert list(read["x"]) == list(frame["x"])
    assert list(read["text"])[:4] == ["'=1+1", "'+a", "'-b", "'@c"]
    assert list(read["text"])[6:] == ["fine", "a=b", ""]
    assert csv_bytes(pd.DataFrame({"a": pd.Series(["half \ud800"], dtype=object), "b": [True]})).decode().splitlines()[1] == "half ?,True"
    assert csv_bytes(pd.DataFrame({"a": pd.Categorical(["=x"])})) == b"a\r\n'=x\r\n"


def test_file_names_are_plain():
    assert file_name(["Manifold", "r8", "SoftTriple + CE"], "pdf") == "manifold_r8_softtriple-ce.pdf"
    assert file_name(["../../etc", "名"], ".csv") == "etc.csv"
    assert file_name([], "png") == "dmlviz.png"
    assert len(file_name(["x" * 500], "svg")) < 100


def test_images_of_few_colours_hold_a_palette_in_svg_and_the_same_pixels():
    figure = Figure(figsize=(2, 1))
    few, many = figure.add_axes((0, 0, 0.5, 1)), figure.add_axes((0.5, 0, 0.5, 1))
    rng = np.random.default_rng(0)
    few.imshow(rng.integers(0, 64, (60, 60)), cmap="cividis", interpolation="nearest")
    many.imshow(rng.random((60, 60, 3)), interpolation="nearest")
    buffer = io.BytesIO()
    with drawing():
        figure.savefig(buffer, format="svg", dpi=300)
    found = [
        [Image.open(io.BytesIO(base64.b64decode(text))) for text in re.findall(rb"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", svg)]
        for svg in (buffer.getvalue(), figure_bytes(figure, "svg"))
    ]
    assert [[one.mode for one in images] for images in found] == [["RGBA", "RGBA"], ["P", "RGBA"]]
    for before, after in zip(*found, strict=True):
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after.convert("RGBA")))
