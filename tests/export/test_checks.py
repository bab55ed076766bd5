"""The check list of a figure's file: it passes what is right and finds every kind of planted fault."""

import io
import json

import matplotlib
import pytest
from figure_cases import make_pane, names
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dmlviz.core.types import InputError
from dmlviz.export.checks import check_bytes, check_file, passed, report
from dmlviz.export.files import Provenance, figure_bytes
from dmlviz.figures.base.paper import canvas, keys_of, tell, text
from dmlviz.figures.base.presets import PRESETS, preset
from dmlviz.figures.maps import manifold

FORMATS = ("pdf", "svg", "png")


def sheet(width=77.0, *, size=7.0, color="#111111", keys=(("grain", "#0072B2", "square"), ("trade", "#E69F00", "circle"))):
    figure = canvas(width, 30)
    text(figure, 5, 10, "Accuracy", size=8.0)
    text(figure, 5, 20, "shots per class", size=size, color=color)
    for name, key_color, mark in keys:
        tell(figure, name, key_color, mark)
    return figure


def written(figure, fmt, *, preset_name="acl-column", scale=1.0, least=7.0):
    details = {"preset": preset_name, "keys": [[list(key) for key in panel] for panel in keys_of(figure)], "smallest_pt": least}
    return figure_bytes(figure, fmt, provenance=Provenance("t", "c", ("r",), details), scale=scale)


def faults(data, fmt, **asked):
    return {one.name for one in check_bytes(data, fmt, **asked) if one.ok is False}


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_figure_that_is_right_passes_in_every_format(fmt):
    found = check_bytes(written(sheet(), fmt), fmt)
    assert passed(found)
    assert {"width", "smallest text", "grey print", "file size"} <= {one.name for one in found}
    assert all(one.ok is True for one in found)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_width_that_is_off_by_a_fifth_of_a_millimetre_is_found(fmt):
    assert faults(written(sheet(77.2), fmt), fmt) == {"width"}
    assert faults(written(sheet(77.05), fmt), fmt) == set()
    assert faults(written(sheet(77.0), fmt), fmt, preset="icml-column") == {"width"}
    assert faults(written(sheet(120), fmt, preset_name="custom:120mm"), fmt) == set()


@pytest.mark.parametrize("fmt", ["pdf", "svg"])
def test_small_text_is_measured_where_it_stands(fmt):
    assert faults(written(sheet(size=5.5), fmt), fmt) == {"smallest text"}
    assert faults(written(sheet(size=6.0), fmt), fmt) == set()
    small = written(sheet(77 / 0.7, size=7.0), fmt, scale=0.7)  # 7 pt, printed at 70 %
    assert faults(small, fmt) == {"smallest text"}
    assert "4.9 pt" in next(one.said for one in check_bytes(small, fmt) if one.name == "smallest text")


def test_of_a_picture_the_text_is_what_the_file_says():
    assert faults(written(sheet(size=5.0), "png", least=5.0), "png") == {"smallest text"}


def test_turned_text_counts_as_it_is_printed():
    figure = canvas(77, 30)
    text(figure, 5, 20, "up", size=5.0, rotation=90)
    assert faults(written(figure, "pdf"), "pdf") == {"smallest text"}


@pytest.mark.parametrize("fmt", ["pdf", "svg"])
def test_pale_text_is_found(fmt):
    assert faults(written(sheet(color="#999999"), fmt), fmt) == {"contrast"}


@pytest.mark.parametrize("fmt", FORMATS)
def test_classes_that_grey_print_does_not_keep_apart_are_found(fmt):
    alike = (("grain", "#0072B2", "circle"), ("trade", "#D55E00", "circle"))  # L* 46 and 54
    found = check_bytes(written(sheet(keys=alike), fmt), fmt)
    assert [one.name for one in found if one.ok is False] == ["grey print"]
    assert "'grain' and 'trade'" in next(one.said for one in found if one.name == "grey print")
    other_mark = (alike[0], ("trade", "#D55E00", "square"))
    other_lightness = (alike[0], ("trade", "#F0E442", "circle"))
    assert faults(written(sheet(keys=other_mark), fmt), fmt) == faults(written(sheet(keys=other_lightness), fmt), fmt) == set()


def test_a_type_3_font_is_found_and_so_is_text_that_is_left_to_the_reader():
    figure = Figure(figsize=(77 / 25.4, 1))
    FigureCanvasAgg(figure)
    figure.text(0.1, 0.5, "Accuracy", fontsize=8)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 3}):
        figure.savefig(buffer, format="pdf")
    assert "fonts" in faults(buffer.getvalue(), "pdf", preset="acl-column")
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg")
    assert "fonts" in faults(buffer.getvalue(), "svg", preset="acl-column")


def test_a_font_that_is_not_embedded_is_found():
    import pypdf
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(77 / 25.4 * 72, 60)
    font = DictionaryObject({NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
                             NameObject("/BaseFont"): NameObject("/Helvetica")})  # fmt: skip
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): writer._add_object(font)})})
    stream = DecodedStreamObject()
    stream.set_data(b"BT /F1 8 Tf 10 10 Td (Accuracy) Tj ET")
    page[NameObject("/Contents")] = writer._add_object(stream)
    buffer = io.BytesIO()
    writer.write(buffer)
    found = check_bytes(buffer.getvalue(), "pdf", preset="acl-column")
    assert [one.said for one in found if one.ok is False] == ["Helvetica is not embedded; conferences take embedded TrueType or Type 1 only"]


def test_a_file_of_two_megabytes_and_a_coarse_picture_are_found():
    heavy = written(sheet(), "svg").replace(b"</svg>", b"<!--" + b"x" * 2_000_000 + b"--></svg>")
    assert faults(heavy, "svg") == {"file size"}
    coarse = figure_bytes(sheet(), "png", provenance=Provenance(details={"preset": "acl-column", "keys": [], "smallest_pt": 7}), dpi=150)
    assert "resolution" in faults(coarse, "png")


def test_a_page_that_loads_from_elsewhere_is_found():
    page = '<html><head><script src="https://cdn.example.org/plotly.js"></script></head></html>'
    assert faults(page.encode(), "html") == {"offline"}
    assert faults(page.replace("https://cdn.example.org/plotly.js", "#").encode(), "html") == set()


@pytest.mark.parametrize("rule", ['<style>@import url("https://x.org/a.css")</style>', "<style>b{background:url(//x.org/a.png)}</style>",
                                  '<img src=https://x.org/a.png>'])  # fmt: skip
def test_styles_and_pictures_from_elsewhere_are_found_and_what_a_script_only_names_is_not(rule):
    assert faults(f"<html>{rule}</html>".encode(), "html") == {"offline"}
    assert faults(b'<html><script>var a = \'<img src="https://x.org/a.png">\'</script></html>', "html") == set()


def test_pale_words_beside_dark_ones_are_not_known_rather_than_right():
    found = {one.name: one for one in check_bytes(written(sheet(color="#EEEEEE"), "pdf"), "pdf")}
    assert found["contrast"].ok is None
    assert "1 pale words" in found["contrast"].said


@pytest.mark.parametrize("details", [{"keys": [["ab", "cd"]]}, {"keys": [[["a", "red", "o"]]]}, {"keys": 3}, {"preset": "old-venue"}])
def test_details_that_are_not_understood_are_not_known_and_never_an_error(details):
    data = figure_bytes(sheet(), "svg", provenance=Provenance(details=details))
    assert {one.name: one.ok for one in check_bytes(data, "svg")}["width" if "preset" in details else "grey print"] is None


def test_a_pdf_of_two_pages_is_no_figure():
    import pypdf

    writer, buffer = pypdf.PdfWriter(), io.BytesIO()
    for _ in range(2):
        writer.add_blank_page(200, 100)
    writer.write(buffer)
    with pytest.raises(InputError, match="2 pages"):
        check_bytes(buffer.getvalue(), "pdf")


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_foreign_file_is_measured_and_what_it_does_not_say_is_not_known(fmt):
    data = figure_bytes(sheet(), fmt)
    unknown = {one.name for one in check_bytes(data, fmt) if one.ok is None}
    assert {"width", "grey print"} <= unknown
    assert {one.name for one in check_bytes(data, fmt, preset="acl-column") if one.ok is None} <= unknown - {"width"}


@pytest.mark.parametrize(("name", "content"), [("a.pdf", b"%PDF-1.4 broken"), ("a.svg", b"<svg"), ("a.png", b"no picture"), ("a.txt", b"text")])
def test_what_is_no_figure_is_a_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="choose a file" if name.endswith("txt") else "export it again"):
        check_file(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        check_file(tmp_path / "missing.pdf")


def test_the_report_names_faults_and_its_exit_status_tells(tmp_path):
    good, bad, lines = tmp_path / "good.pdf", tmp_path / "bad.pdf", []
    good.write_bytes(written(sheet(), "pdf"))
    bad.write_bytes(written(sheet(80), "pdf"))
    assert report([(path, check_file(path)) for path in (good, bad)], lines.append) == 1
    assert lines[0] == f"{good}: passes"
    assert [line for line in lines if "FAULT" in line] == ["  FAULT  width: 80.00 mm, acl-column has 77.00 mm; export it again"]
    lines.clear()
    assert report([(good, check_file(good))], lines.append, as_json=True) == 0
    assert json.loads(lines[0])[0]["passed"] is True


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("classes", [2, 8, 20, 52])
def test_maps_pass_with_every_number_of_classes(name, classes):
    label_names = names(classes)
    table = manifold.frame([make_pane("soft_triple", classes, seed=1, lr=0.1)], label_names, ["text"] * 1000, parts=("test", "validation", "support"),
                           focus=tuple(label_names[:8]) if classes > 20 else ())  # fmt: skip
    size = preset(name)._replace(height_mm=None)
    figure = manifold.paper(table, size)
    details = {"preset": f"custom:{size.paper_width_mm}mm", "keys": [[list(key) for key in panel] for panel in keys_of(figure)]}
    found = check_bytes(figure_bytes(figure, "pdf", provenance=Provenance(details=details), scale=size.scale), "pdf")
    assert all(one.ok for one in found), found
    assert len(keys_of(figure)[0]) == min(classes, 8 if classes > 20 else classes) + (classes > 20)
