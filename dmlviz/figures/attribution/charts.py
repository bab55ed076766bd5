"""Attributions of many texts: the heaviest words of a class, what happens when words go, and whether runs agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.attribution.agreement import between_baselines, pairwise, with_baseline
from dmlviz.analysis.attribution.kind import SHORT_BASELINES
from dmlviz.analysis.attribution.summary import class_words, curves, mean_interval, word_table
from dmlviz.core.types import InputError, TextDataset
from dmlviz.figures.attribution.frame import AGAINST, TOWARDS, AttributionInput, kind_words
from dmlviz.figures.base.paper import CHART_MM, Box, axes, beside, canvas, inside, plot_axes, tell, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable, rgba, run_titles
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short, whole, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_WORDS = 12
SYMBOLS, DASHES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross"), ("solid", "dash", "dot")
CURVES = {"deletion": "Words taken away, heaviest first", "insertion": "Words alone, heaviest first"}


def _layout(theme: Theme, height: int, **margin: int) -> dict:
    return {
        "height": height, "margin": {"l": 48, "r": 8, "t": 26, "b": 40, **margin}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SCREEN_FONT, "color": theme.ink, "size": 12}, "showlegend": False, "dragmode": False,
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


def _pane(one: AttributionInput, title: str) -> dict[str, object]:
    return {"pane": one.run.id, "title": title, "loss": one.run.config.shown_loss}


def _titles(inputs: Sequence[AttributionInput]) -> list[str]:
    if not any(one.found for one in inputs):
        raise InputError("no text of these runs has been explained; start the job on the Attributions page or with 'attribute'")
    return run_titles([one.run.config for one in inputs])


def _explained(inputs: Sequence[AttributionInput]) -> list[AttributionInput]:
    """Those that have attributions. Raises InputError where none has."""
    _titles(inputs)
    return [one for one in inputs if one.found]


def _runs_words(table: pd.DataFrame) -> str:
    return f"Single runs: {', '.join(dict.fromkeys(table['pane']))}." if len(table) else ""


def _nobody(figure: go.Figure, words: str, theme: Theme) -> go.Figure:
    figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, text=words, font={"color": theme.muted, "size": 13})
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)


# ---- words of a class


def _word_frame(inputs: Sequence[AttributionInput], dataset: TextDataset, *, label: str = "", fewest: float | str = 3) -> pd.DataFrame:
    """One row per run and word: n texts, mean share of the text's absolute values with Student's interval, towards class `label` (the first one).

    A run none of whose words stand in `fewest` texts has one row without a word, so that its pane says so.
    """
    names = [whole(name) for name in dataset.label_names]
    label, fewest = label or names[0], whole_number("fewest", fewest)
    if label not in names:
        raise InputError(f"no class is called {label[:60]!r}; classes: {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}")
    tables = []
    for one, title in zip(inputs, _titles(inputs), strict=True):
        found = class_words(word_table(one.found, dataset), names.index(label), fewest=int(fewest), most=MOST_WORDS)
        explained = sum(made.class_id == names.index(label) for made in one.found.values())
        if found.empty:
            found = pd.DataFrame({"word": [""], "n": [0], "mean": [np.nan], "low": [np.nan], "high": [np.nan]})
        tables.append(found.assign(**_pane(one, title), **{"class": label}, explained=explained, fewest=int(fewest)))
    table = pd.concat(tables, ignore_index=True)
    return table.reindex(columns=["pane", "title", "loss", "class", "explained", "fewest", "word", "n", "mean", "low", "high"])


def _word_scale(table: pd.DataFrame) -> tuple[float, float]:
    """(left, right) in per cent, the same for every run: bars are compared between panes."""
    ends = [100 * table[["low", "mean"]].min().min(), 100 * table[["high", "mean"]].max().max()]
    low, high = (min(ends[0], 0.0), max(ends[1], 0.0)) if np.isfinite(ends).all() else (-1.0, 1.0)
    room = 0.04 * (high - low) or 1.0
    return low - room * (low < 0), high + room * (high > 0)


def _too_few(row: pd.Series) -> str:
    """Why a run has no words of the class."""
    if not row["explained"]:
        return "no text explained for this class"
    texts = f"{int(row['explained']):,} text{'s' if row['explained'] != 1 else ''}"
    return f"{texts} explained for this class: no word stands in {int(row['fewest'])} of them"


def _word_screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """The bars of one run, on the scale of all."""
    rows = table[table["pane"] == pane_id].iloc[::-1]
    figure = go.Figure({"layout": _layout(theme, height or max(120, 24 * len(rows) + 50), t=6)})
    if not rows["n"].any():
        said = _too_few(rows.iloc[0]) if len(rows) else "no text explained for this class"
        return _nobody(figure, plotly_text(said[:1].upper() + said[1:]).replace(": ", ":<br>", 1), theme)
    colors = [TOWARDS if mean > 0 else AGAINST for mean in rows["mean"]]
    figure.add_trace(go.Bar(
        x=100 * rows["mean"], y=np.arange(len(rows)), orientation="h", marker={"color": [rgba(color, 0.75) for color in colors]}, width=0.7,
        error_x={"array": 100 * (rows["high"] - rows["mean"]), "arrayminus": 100 * (rows["mean"] - rows["low"]), "color": theme.ink, "thickness": 1},
        hovertext=[f"<b>{plotly_text(word)}</b> in {n:,} texts<br>{100 * mean:+.1f} % ({100 * low:+.1f} to {100 * high:+.1f})"
                   for word, n, mean, low, high in rows[["word", "n", "mean", "low", "high"]].itertuples(index=False)],
        hovertemplate="%{hovertext}<extra></extra>",
    ))  # fmt: skip
    counted = f"<span style='color:{theme.muted}'>{{:,}}</span>"
    ticks = [f"{plotly_text(short(word, 18))} {counted.format(n)}" for word, n in zip(rows["word"], rows["n"], strict=True)]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=ticks, fixedrange=True, automargin=True)
    scale = {"range": _word_scale(table), "gridcolor": theme.lines, "zerolinecolor": theme.muted, "fixedrange": True}
    return figure.update_xaxes(title_text="mean share of a text, %", **scale)


def _word_paper(table: pd.DataFrame, preset: Preset) -> Figure:
    with drawing():
        size = max(MIN_PT, preset.font_pt - 0.5)
        step, panes = 1.5 * size / PT_PER_MM, list(dict.fromkeys(table["pane"]))
        across = 1 if preset.width_mm < 100 else min(2, len(panes) or 1)
        counts = [max((table["pane"] == pane).sum(), 1) for pane in panes] or [1]
        tall = [(max(counts[start : start + across]) + 4) * step for start in range(0, len(counts), across)]  # of each row of panes
        figure = canvas(preset.width_mm, max(sum(tall), 12))
        width = preset.width_mm / across
        for i, pane in enumerate(panes):
            box = Box(width * (i % across), sum(tall[: i // across]), width, tall[i // across])
            _word_block(figure, table[table["pane"] == pane], preset, box, size, step, _word_scale(table))
    return figure


def _word_block(
    figure: Figure, rows: pd.DataFrame, preset: Preset, box: Box, size: float, step: float, scale: tuple[float, float]
) -> None:  # fmt: skip
    first = rows.iloc[0]
    head = trimmed(f"{first['title']} · {first['class']}", size, box.width - 1, limit=44, bold=True)
    text(figure, box.left + 0.5, box.top + step, head, size=size, weight="bold",
         color=readable(loss_color(first["loss"]), PAPER.ground))  # fmt: skip
    if not rows["n"].any():
        for i, line in enumerate(_too_few(first).split(": ")):
            text(figure, box.left + 0.5, box.top + (2.4 + i) * step, line, size=size, color=PAPER.muted)
        return
    words, room = beside([f"{short(word, 18)} ({n:,})" for word, n in zip(rows["word"], rows["n"], strict=True)], size, box.width - 3.5, limit=28)
    room += 1.5
    ax = plot_axes(figure, preset, Box(box.left + room, box.top + 1.4 * step, box.width - room - 2, len(rows) * step))
    ax.barh(range(len(rows)), 100 * rows["mean"], height=0.7, color=[TOWARDS if mean > 0 else AGAINST for mean in rows["mean"]], alpha=0.75)
    ax.errorbar(100 * rows["mean"], range(len(rows)), xerr=[100 * (rows["mean"] - rows["low"]), 100 * (rows["high"] - rows["mean"])], fmt="none",
                ecolor=PAPER.ink, elinewidth=0.6)  # fmt: skip
    ax.axvline(0, color=PAPER.ink, linewidth=0.5)
    ax.set(ylim=(len(rows) - 0.4, -0.6), yticks=[], xlim=scale)
    ax.spines["left"].set_visible(False)
    for i, word in enumerate(words):
        text(figure, box.left + room - 0.8, box.top + 1.4 * step + (i + 0.7) * step, word, size=size, ha="right")
    below = "mean share of a text, %"
    middle = box.left + inside(room + (box.width - room - 2) / 2, below, size, box.width)
    text(figure, middle, box.top + 1.4 * step + len(rows) * step + 2.2 * step, below, size=size, ha="center")


def _word_caption(table: pd.DataFrame, inputs: Sequence[AttributionInput]) -> str:
    n = ", ".join(f"{title} {int(explained):,}" for title, explained in table[["title", "explained"]].drop_duplicates().itertuples(index=False))
    return (
        f"Words with the largest mean weight where {table['class'].iloc[0]} is explained: share of a text's sum of absolute values, mean over the "
        f"texts the word stands in (their number beside it; words in fewer than {int(table['fewest'].iloc[0])} texts are left out), bars: Student's "
        f"95 % interval over texts. {kind_words(inputs[0].kind)}. "
        f"Texts explained: {n}. {_runs_words(table)}"
    )


def _word_alt(table: pd.DataFrame, pane_id: str) -> str:
    rows = table[table["pane"] == pane_id].head(5)
    if not rows["n"].any():
        return f"{_too_few(rows.iloc[0])}." if len(rows) else ""
    return "Heaviest words: " + ", ".join(f"{word} {100 * mean:+.1f} %" for word, mean in zip(rows["word"], rows["mean"], strict=True)) + "."


def _word_notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys([*table["title"], *table["class"], *table["word"]]))
    return [found] if found else []


# ---- faithfulness


def _curve_frame(inputs: Sequence[AttributionInput]) -> pd.DataFrame:
    """One row per run with explained texts, curve and tenth: n texts, mean probability of the explained class, Student's interval over texts."""
    inputs = _explained(inputs)
    tables = [curves(one.found).assign(**_pane(one, title)) for one, title in zip(inputs, _titles(inputs), strict=True)]
    table = pd.concat(tables, ignore_index=True)
    random = {one.run.id: {name: mean_interval([x.checks.get(f"random_{name}", np.nan) for x in one.found.values()])[1] for name in CURVES}
              for one in inputs}  # fmt: skip
    table["random_area"] = [random[pane][name] for pane, name in zip(table["pane"], table["curve"], strict=True)]
    table["area"] = table.groupby(["pane", "curve"])["mean"].transform(lambda values: np.trapezoid(values, np.linspace(0, 1, len(values))))
    return table.reindex(columns=["pane", "title", "loss", "curve", "share", "n", "mean", "low", "high", "area", "random_area"])


def _curve_screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """Both curves of all runs, side by side; `pane_id` is not looked at."""
    figure = go.Figure({"layout": _layout(theme, height or 320, r=16, b=70)})
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.28, "x": 0})
    for i, (name, title) in enumerate(CURVES.items()):
        axis = "" if i == 0 else "2"
        figure.update_layout({
            f"xaxis{axis}": {"domain": (0.55 * i, 0.45 + 0.55 * i), "anchor": f"y{axis}", "title": {"text": "share of the words, %"},
                             "range": (0, 100), "gridcolor": theme.lines, "fixedrange": True},
            f"yaxis{axis}": {"anchor": f"x{axis}", "range": (0, 1.02), "gridcolor": theme.lines, "fixedrange": True,
                             "title": {"text": "probability of the class" if i == 0 else ""}},
        })  # fmt: skip
        figure.add_annotation(x=0.55 * i, y=1.1, xref="paper", yref="paper", xanchor="left", showarrow=False, text=f"<b>{title}</b>")
        for j, (_, rows) in enumerate(table[table["curve"] == name].groupby("pane", sort=False)):
            first = rows.iloc[0]
            color = readable(loss_color(first["loss"]), theme.ground, 3.0)
            x = 100 * rows["share"]
            figure.add_trace(go.Scatter(x=[*x, *x[::-1]], y=[*rows["high"], *rows["low"][::-1]], fill="toself", fillcolor=rgba(color, 0.15),
                                        mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False,
                                        xaxis=f"x{axis}", yaxis=f"y{axis}"))  # fmt: skip
            told = f"{plotly_text(first['title'])}: area {first['area']:.2f}, random {first['random_area']:.2f}, n = {int(first['n']):,}"
            key = f"{plotly_text(first['title'])}, n = {int(first['n']):,}"
            figure.add_trace(go.Scatter(x=x, y=rows["mean"], mode="lines+markers", marker={"size": 6, "symbol": SYMBOLS[j % 6]}, name=key,
                                        line={"color": color, "width": 2, "dash": DASHES[j % 3]}, showlegend=i == 0,
                                        hovertemplate=f"{told}<br>%{{x:.0f}} % of the words: %{{y:.2f}}<extra></extra>",
                                        xaxis=f"x{axis}", yaxis=f"y{axis}"))  # fmt: skip
    return figure


def _curve_paper(table: pd.DataFrame, preset: Preset) -> Figure:
    with drawing():
        size = max(MIN_PT, preset.font_pt - 0.5)
        step, runs = 1.5 * size / PT_PER_MM, table.drop_duplicates("pane")
        across = 2 if preset.width_mm >= 60 else 1
        side = preset.width_mm / across - 10
        height, keys = min(side, 60), []
        for j, first in enumerate(runs.to_dict("records")):
            own = table[table["pane"] == first["pane"]].drop_duplicates("curve").set_index("curve")
            areas = [f"{name} {own.loc[name, 'area']:.2f} (random {own.loc[name, 'random_area']:.2f})" for name in CURVES]
            areas = [f"areas: {', '.join(areas)}"] if width_mm(f"areas: {', '.join(areas)}", size) <= preset.width_mm - 4 else areas
            title = trimmed(f"{'●■◆▲▼◀'[j % 6]} {first['title']}, n = {int(first['n']):,}", size, preset.width_mm - 2, limit=40)
            keys.append((title, areas, readable(loss_color(first["loss"]), PAPER.ground)))
        abreast = preset.width_mm >= 120  # a run's title and areas
        tall = height + 4.9 * step  # of a chart with its words
        below = tall * (2 // across) + 0.7 * step
        figure = canvas(preset.width_mm, below + step * sum(1 if abreast else 1 + len(areas) for _, areas, _ in keys) - 0.6 * step + 2)
        for i, (name, title) in enumerate(CURVES.items()):
            left, top = 8 + (i % across) * preset.width_mm / across, i // across * tall
            title = trimmed(title, size, min(preset.width_mm / across, preset.width_mm - left) - 0.5, bold=True)
            text(figure, left, top + step, title, size=size, weight="bold")
            ax = plot_axes(figure, preset, Box(left, top + 1.6 * step, side, height))
            ax.set(xlim=(0, 100), ylim=(0, 1.02))
            for j, (_, rows) in enumerate(table[table["curve"] == name].groupby("pane", sort=False)):
                color = readable(loss_color(rows.iloc[0]["loss"]), PAPER.ground, 3.0)
                ax.fill_between(100 * rows["share"], rows["low"], rows["high"], color=color, alpha=0.15, linewidth=0)
                ax.plot(100 * rows["share"], rows["mean"], color=color, linewidth=1, marker="osD^v<"[j % 6], markersize=2.2)
                tell(figure, rows["title"].iloc[0], color, "osD^v<"[j % 6])
            words = "share of the words, %"
            text(figure, inside(left + side / 2, words, size, preset.width_mm), top + height + 4.4 * step, words, size=size, ha="center")
        for title, areas, color in keys:
            text(figure, 1, below, title, size=size, color=color)
            for i, words in enumerate(areas):
                text(figure, preset.width_mm / 2 if abreast else 3, below + (0 if abreast else i + 1) * step, words, size=size, color=PAPER.muted)
            below += step * (1 if abreast else 1 + len(areas))
    return figure


def _curve_caption(table: pd.DataFrame, inputs: Sequence[AttributionInput]) -> str:
    return (
        "Mean probability of the explained class when the heaviest words are masked (left: lower is more faithful) or shown alone (right: higher is "
        "more faithful); bands: Student's 95 % interval over texts. Areas under the curves, in brackets those of a random ranking: "
        f"{_areas(table)}. "
        f"{kind_words(inputs[0].kind)}. {_runs_words(table)}"
    )


def _areas(table: pd.DataFrame) -> str:
    rows = table.drop_duplicates(["pane", "curve"])
    return "; ".join(f"{own.iloc[0]['title']} " + ", ".join(f"{row.curve} {row.area:.2f} ({row.random_area:.2f})" for row in own.itertuples())
                     for _, own in rows.groupby("pane", sort=False))  # fmt: skip


def _curve_alt(table: pd.DataFrame, pane_id: str = "") -> str:
    rows = table.drop_duplicates(["pane", "curve"])
    return "; ".join(f"{row.title}, {row.curve}: area {row.area:.2f}, random {row.random_area:.2f}" for row in rows.itertuples()) + "."


# ---- agreement


def _heat_frame(inputs: Sequence[AttributionInput]) -> pd.DataFrame:
    """One row per ordered pair of runs: mean rank correlation over the texts in which both explain one class, n, interval, overlap of top words.

    A run that was explained from several baselines has rows for each ordered pair of them too (relation "baseline"). Pairs of runs are drawn
    (`drawn`); of a run alone, those of its baselines.
    """
    inputs = _explained(inputs)
    titles, alone = _titles(inputs), len(inputs) == 1
    pairs = pairwise({one.run.id: one.found for one in inputs}, {one.run.id: one.run.config for one in inputs})
    runs = [(one.run.id, title, one.run.config.shown_loss, len(one.found)) for one, title in zip(inputs, titles, strict=True)]
    blocks = [(runs, pairs, not alone)]
    for one, title in zip(inputs, titles, strict=True):
        several = one.baselines
        if len(several) > 1 or alone:
            items = [(with_baseline(one.run.id, name), f"{title} · {SHORT_BASELINES[name]}" if not alone else SHORT_BASELINES[name],
                      one.run.config.shown_loss, len(found)) for name, found in several.items()]  # fmt: skip
            blocks.append((items, between_baselines({one.run.id: several}), alone))
    rows = []
    for items, found, drawn in blocks if not alone else blocks[1:]:
        kept = found[found["same"]]
        for (a, first, loss, n), (b, second, *_) in product(items, items):
            if a == b:
                rows += [(a, first, loss, b, second, "itself", n, 1.0, 1.0, 1.0, 1.0, drawn)] if drawn else []
                continue
            own = kept[((kept["a"] == a) & (kept["b"] == b)) | ((kept["a"] == b) & (kept["b"] == a))]
            kind = own["relation"].iloc[0] if len(own) else ""
            rows.append((a, first, loss, b, second, kind, *mean_interval(own["correlation"]), own["overlap"].mean(), drawn))
    return pd.DataFrame(rows, columns=["pane", "title", "loss", "other", "other_title", "relation", "n", "correlation", "low", "high", "overlap",
                                       "drawn"])  # fmt: skip


def _heat_screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """All pairs of runs, or of a run's baselines; `pane_id` is not looked at."""
    table = table[table["drawn"]]
    names = list(dict.fromkeys(table["pane"]))
    titles = [plotly_text(short(table.loc[table["pane"] == pane, "title"].iloc[0], 26)) for pane in names]
    grid = table.pivot(index="pane", columns="other", values="correlation").loc[names, names].to_numpy()
    cells = {(row.pane, row.other): row for row in table.itertuples()}
    hover = [[_cell_words(cells[a, b]) for b in names] for a in names]
    words = [["–" if np.isnan(value) else f"{value:.2f}" for value in line] for line in grid]
    figure = go.Figure(
        go.Heatmap(z=grid, x=list(range(len(names))), y=list(range(len(names))), zmin=-1, zmax=1, text=words, texttemplate="%{text}", hovertext=hover,
                   hovertemplate="%{hovertext}<extra></extra>", colorscale=[[0, AGAINST], [0.5, theme.ground], [1, TOWARDS]], xgap=2, ygap=2,
                   showscale=False),
        {**_layout(theme, height or 60 * len(names) + 90, t=6)},
    )  # fmt: skip
    axis = {"tickvals": list(range(len(names))), "ticktext": titles, "fixedrange": True, "automargin": True, "showgrid": False, "zeroline": False}
    return figure.update_xaxes(**axis).update_yaxes(**axis, autorange="reversed")


def _cell_words(row: SimpleNamespace) -> str:
    if row.pane == row.other:
        return plotly_text(row.title)
    both = f"{plotly_text(row.title)} and {plotly_text(row.other_title)}"
    if not row.n:
        return f"{both}: no common text is explained for one class"
    told = f"rank correlation {row.correlation:.2f} ({row.low:.2f} to {row.high:.2f}), n = {row.n:,} texts"
    return f"{both}<br>{told}<br>top words shared {row.overlap:.0%}"


def _heat_paper(table: pd.DataFrame, preset: Preset) -> Figure:
    table = table[table["drawn"]]
    with drawing():
        size, names = max(MIN_PT, preset.font_pt - 0.5), list(dict.fromkeys(table["pane"]))
        titles = [short(table.loc[table["pane"] == pane, "title"].iloc[0], 26) for pane in names]
        numbers = max(width_mm(f"{one:.2f}", size) for one in table["correlation"].fillna(0)) + 0.6  # a cell's least width
        most = max(preset.width_mm - 3 - max(len(names) * numbers, CHART_MM), CHART_MM)
        titles = [trimmed(f"{i + 1} {title}", size, most) for i, title in enumerate(titles)]
        room = max(width_mm(title, size) for title in titles) + 2
        side = min((preset.width_mm - room - 1) / max(len(names), 1), 16.0)
        top = 1.6 * size / PT_PER_MM
        figure = canvas(preset.width_mm, top + side * len(names) + 2)
        grid = table.pivot(index="pane", columns="other", values="correlation").loc[names, names].to_numpy()
        ax = axes(figure, Box(room, top, side * len(names), side * len(names)))
        from matplotlib.colors import LinearSegmentedColormap

        ax.imshow(grid, vmin=-1, vmax=1, cmap=LinearSegmentedColormap.from_list("agreement", [AGAINST, "#FFFFFF", TOWARDS]), aspect="auto")
        ax.set_axis_off()
        for i, title in enumerate(titles):
            text(figure, room - 1, top + (i + 0.5) * side + 0.4 * size / PT_PER_MM, title, size=size, ha="right")
            text(figure, room + (i + 0.5) * side, top - 0.8, str(i + 1), size=size, ha="center")
            for j in range(len(names)):
                if np.isfinite(grid[i, j]) and side >= numbers:  # else the colours alone, and the caption
                    text(ax, j, i, f"{grid[i, j]:.2f}", size=size, ha="center", va="center")
    return figure


def _heat_caption(table: pd.DataFrame, inputs: Sequence[AttributionInput]) -> str:
    apart = table[table["pane"] != table["other"]]
    counted = lambda n: f"{n} pair{'s' if n != 1 else ''}"  # noqa: E731
    told = {kind: f"{own['correlation'].mean():.2f} over {counted(len(own) // 2)}" for kind, own in apart.groupby("relation", sort=True)}
    kinds = "; ".join(f"{kind}: {words}" for kind, words in told.items() if kind not in ("", "baseline"))
    ids = f"Single runs: {', '.join(one.run.id for one in inputs)}."
    if len(inputs) == 1:
        names = ", ".join(SHORT_BASELINES[name] for name in inputs[0].baselines)
        return (
            "Spearman's rank correlation of the words' values of one run between two baselines, mean over texts: "
            f"{told.get('baseline', 'no pair shares a text')}. Baselines: {names}. {kind_words(inputs[0].kind).partition(', baseline')[0]}. {ids}"
        )
    beside = f" Between two baselines of one run: {told['baseline']}." if "baseline" in told else ""
    return (
        "Spearman's rank correlation of the words' values between two runs, mean over texts in which both explain one class. What the runs of a pair "
        f"differ in: {kinds or 'no pair shares a text'}. Two runs of one loss that differ in seed or draw are the floor.{beside} "
        f"{kind_words(inputs[0].kind)}. {ids}"
    )


def _heat_alt(table: pd.DataFrame, pane_id: str = "") -> str:
    rows = table[table["pane"] < table["other"]]
    return "; ".join(f"{row.title} and {row.other_title}: {row.correlation:.2f}" for row in rows.itertuples()) + "."


def _title_notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys(table["title"]))
    return [found] if found else []


class_bars = SimpleNamespace(frame=_word_frame, screen=_word_screen, paper=_word_paper, caption=_word_caption, alt=_word_alt, notes=_word_notes)
faithfulness = SimpleNamespace(
    frame=_curve_frame, screen=_curve_screen, paper=_curve_paper, caption=_curve_caption, alt=_curve_alt, notes=_title_notes
)
agreement_heat = SimpleNamespace(
    frame=_heat_frame, screen=_heat_screen, paper=_heat_paper, caption=_heat_caption, alt=_heat_alt, notes=_title_notes
)
