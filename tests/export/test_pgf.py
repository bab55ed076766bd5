"""A figure as PGF: LaTeX sets its words, hostile ones too, at the figure's exact size."""

import io
import zipfile

import pypdf
import pytest
from figure_cases import make_pane, names
from tex import need_tex, pdflatex

from dmlviz.core.types import InputError
from dmlviz.export.files import Provenance, zip_bytes
from dmlviz.export.pgf import pgf_files
from dmlviz.figures.base.presets import preset
from dmlviz.figures.maps import manifold

NAMES = ["50 % & more_#1", "a\\b {c} $x$", "<script>", "名字", "Ωμέγα", "plain", "tilde~ ^", "=1+1"]


def maps(size, label_names=NAMES, test=120):
    table = manifold.frame([make_pane("soft_triple", len(label_names), test, lr=0.1)], label_names, ["text"] * 9000, parts=("test", "support"))
    return manifold.paper(table, size)


@pytest.fixture(scope="module")
def tex():
    """pdflatex with pgf; a CI must have it."""
    need_tex("pgf.sty", "standalone.cls")


@pytest.mark.slow
@pytest.mark.usefixtures("tex")
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_it_compiles_at_its_size_with_hostile_names(tmp_path, scale):
    size = preset("acl-column")
    figure = maps(size)
    before = sorted(one.get_text() for one in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    made = pgf_files(figure, "maps", provenance=Provenance("Maps", "What\nit shows", (), {"keys": []}), scale=scale)
    assert sorted(one.get_text() for one in figure.findobj(lambda artist: hasattr(artist, "get_text"))) == before
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "page.tex").write_text(
        r"\documentclass[border=0pt]{standalone}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{pgf,graphicx}"
        r"\begin{document}\input{maps.pgf}\unskip\end{document}"
    )  # fmt: skip
    pdflatex(tmp_path, "page.tex")
    page = pypdf.PdfReader(tmp_path / "page.pdf").pages[0]
    assert float(page.mediabox.width) / 72 * 25.4 == pytest.approx(77 * scale, abs=0.2)
    words = page.extract_text()
    for name in ("50 % & more_#1", "<script>", "plain", "SoftTriple", "03A9"):  # the last one stands for Omega, which T1 lacks
        assert name in words, words


@pytest.mark.slow
@pytest.mark.usefixtures("tex")
def test_many_points_are_one_image_and_all_files_go_into_a_zip():
    made = pgf_files(maps(preset("single"), names(3), test=6000), "maps")
    assert "maps.pgf" in made
    assert any(name.endswith(".png") for name in made)
    assert zip_bytes(made) == zip_bytes(dict(reversed(made.items())))
    assert set(zipfile.ZipFile(io.BytesIO(zip_bytes(made))).namelist()) == set(made)


def test_without_latex_it_is_a_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="no pdflatex is installed here"):
        pgf_files(maps(preset("single"), names(2)), "maps")
