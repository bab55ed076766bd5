"""The screen version of a sheet as one HTML file that needs no network: hover, zoom and all."""

from __future__ import annotations

import html
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dmlviz.export.files import Provenance, details_json
from dmlviz.export.load_figure import Picture
from dmlviz.figures import FIGURES
from dmlviz.figures.base.composing import LETTERS
from dmlviz.figures.base.theme import SCREEN_FONT

if TYPE_CHECKING:
    import plotly.graph_objects as go

STYLE = (
    f"body{{font-family:{SCREEN_FONT.replace(chr(34), chr(39))};color:#1B2733;margin:1.5rem auto;max-width:1280px;padding:0 1rem}}"
    "h1{font-size:1.3rem}h2{font-size:1rem}.panes{display:flex;flex-wrap:wrap;gap:1rem}.panes>div{flex:1 1 380px;min-width:0}p{color:#566573}"
)


def screens(one: Picture) -> list[go.Figure]:
    """The Plotly figures that the page shows of a picture: one per pane, unless the figure says that one shows them all."""
    screen = FIGURES[one.name].screen
    options = {key: value for key, value in one.options.items() if key in inspect.signature(screen).parameters}
    if FIGURES[one.name].one_screen or "pane_id" not in inspect.signature(screen).parameters:
        return [screen(one.frame, **options)]
    return [screen(one.frame, name, **options) for name in dict.fromkeys(one.frame["pane"].dropna())]


def html_bytes(pictures: Sequence[Picture], provenance: Provenance) -> bytes:
    """The whole page. Plotly's script is inside, once; nothing is loaded from elsewhere. Texts and names are escaped."""
    from plotly.io import to_html

    blocks, first = [], True
    for letter, one in zip(LETTERS, pictures, strict=False):
        title = FIGURES[one.name].title
        panes = []
        for i, figure in enumerate(screens(one)):
            panes.append("<div>" + to_html(figure, full_html=False, include_plotlyjs=first, div_id=f"dmlviz-{letter}-{i}",
                                           config={"displaylogo": False, "responsive": True}) + "</div>")  # fmt: skip
            first = False
        said = f"<p>{html.escape(one.caption)}</p>"
        head = f"{letter}  {title}" if len(pictures) > 1 else title
        blocks.append(f'<h2>{html.escape(head)}</h2><div class="panes">{"".join(panes)}</div>{said}')
    details = details_json(provenance.details).replace("<", "\\u003c")  # no text may close the element
    text = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(provenance.title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f'<script type="application/json" id="dmlviz">{details}</script></head><body><h1>{html.escape(provenance.title)}</h1>{"".join(blocks)}'
        f"</body></html>"
    )
    return text.encode("utf-8", "replace")
