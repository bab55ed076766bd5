"""A figure as PGF: drawn by LaTeX itself, so that its words are set in the paper's own font."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmlviz.core.types import InputError
from dmlviz.export.files import Provenance, details_json
from dmlviz.figures.base.tex_text import needed, pasted
from dmlviz.figures.base.theme import drawing
from dmlviz.figures.base.words import clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEX = "pdflatex"
PREAMBLE = r"\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}"


def pgf_files(figure: Figure, stem: str, *, provenance: Provenance | None = None, scale: float = 1.0) -> dict[str, bytes]:
    """Name -> bytes: STEM.pgf, and the images of points that are drawn as one. For `\\input`, after `\\usepackage{pgf,graphicx}`.

    LaTeX measures every word, so it must be installed. Characters that pdfLaTeX has no letter for become small boxes with their code point.
    Raises InputError without LaTeX, or where it refuses.
    """
    if shutil.which(TEX) is None:
        raise InputError(f"PGF needs LaTeX to measure words, and no {TEX} is installed here; install TeX Live, or choose PDF or SVG")
    told = provenance or Provenance()
    put_back, words = _for_tex(figure)
    definitions = needed(words)
    with tempfile.TemporaryDirectory() as folder, drawing():
        import matplotlib

        try:
            with matplotlib.rc_context({"pgf.texsystem": TEX, "pgf.rcfonts": False, "pgf.preamble": "\n".join([PREAMBLE, *definitions])}):
                figure.savefig(Path(folder) / f"{stem}.pgf", format="pgf", backend="pgf")
        except Exception as error:  # LaTeX's own words, of many classes
            reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
            raise InputError(f"LaTeX could not measure the figure's words ({reason}); choose PDF or SVG") from None
        finally:
            for undo in put_back:
                undo()
        made = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    head = [f"% {clean(told.title)}", f"% {clean(told.caption)}", *([f"% DMLViz {details_json(told.details)}"] if told.details else [])]
    head += [f"{line}%" for definition in definitions for line in definition.splitlines()]  # a line's end would be a space beside the figure
    body = made[f"{stem}.pgf"].decode("utf-8")
    # a box, not an argument: the body changes what signs mean
    scaled = body if scale == 1 else f"\\begingroup\\setbox0=\\hbox{{%\n{body}}}\\scalebox{{{scale:g}}}{{\\box0}}\\endgroup%\n"
    made[f"{stem}.pgf"] = ("\n".join(head) + "\n" + scaled).encode("utf-8")
    return made


def _for_tex(figure: Figure) -> tuple[list[Callable[[], Any]], str]:
    """Every word as LaTeX shows it; returns what puts the words back, and all of them in one."""
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter

    put_back: list[Callable[[], Any]] = []
    words = []
    for panel in (figure, *figure.subfigs):
        for ax in panel.axes:
            for formatter in (axis.get_major_formatter() for axis in (ax.xaxis, ax.yaxis)):
                if isinstance(formatter, FixedFormatter):  # it writes the words anew whenever it is drawn
                    put_back.append(partial(setattr, formatter, "seq", formatter.seq))
                    formatter.seq = [pasted(word) for word in formatter.seq]
                    words += formatter.seq
    for text in figure.findobj(Text):
        if text.get_text():
            put_back.append(partial(text.set_text, text.get_text()))
            text.set_text(pasted(text.get_text()))
            words.append(text.get_text())
    return put_back, "".join(words)
