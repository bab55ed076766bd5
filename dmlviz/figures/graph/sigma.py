"""Propagated accuracy against sigma: a curve per run with its interval over random masks, and where the graph stands on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.graph.nodes import RECORDED, SUPPORT, trained_sigma, visible_share
from dmlviz.analysis.graph.numbers import SigmaCurve, accuracy_curve
from dmlviz.figures.base.labels import spread
from dmlviz.figures.base.paper import Box, beside, canvas, dash, inside, lines_of, plot_axes, text
from dmlviz.figures.base.presets import PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable, rgba, run_titles
from dmlviz.figures.base.words import interval_text, missing_glyphs, plotly_text, short, text_width
from dmlviz.figures.graph.frame import GraphInput, GraphView, runs_words, settings, views
from dmlviz.figures.training.curves import DASHES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("mark", "pane", "title", "loss", "sigma", "accuracy", "low", "high", "masks", "texts", "of", "visible", "color", "dash")
TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10)


def frame(inputs: Sequence[GraphInput], label_names: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs; see `frame_of`."""
    found = views(inputs, len(label_names), {**options, "edges": "none", "layout": "map"})
    curves = [curve_of(one, str(options.get("visible", "0.7")), settings(options).seed) for one in found]
    known = [trained_sigma(given.run.config.loss, given.run.config.loss_settings, given.arrays) for given in inputs]
    return frame_of(found, curves, [None if one is None else one[0] for one in known])


def curve_of(one: GraphView, visible: str, seed: int, sigmas: Sequence[float] | None = None) -> SigmaCurve:
    """The curve for the graph's texts. The support as the only visible texts is one mask; a batch's recorded mask gives its share to random ones."""
    nodes, result = one.study.nodes, one.study.propagated
    fixed = result.visible if visible == SUPPORT else None
    share = float(result.visible.mean()) if visible in (RECORDED, SUPPORT) else visible_share(visible)
    return accuracy_curve(
        nodes.vectors, nodes.labels, num_classes=one.study.num_classes, share=min(max(share, 0.001), 0.999), visible=fixed,
        row_normalise=one.study.graph.row_normalise, seed=seed, **({} if sigmas is None else {"sigmas": sigmas}),
    )  # fmt: skip


def frame_of(found: Sequence[GraphView], curves: Sequence[SigmaCurve], trained: Sequence[float | None]) -> pd.DataFrame:
    """Rows "curve": one per run and sigma, low and high NaN for a single mask. Row "now": where the graph stands. Row "trained": G-Loss's sigma."""
    titles, met, rows = run_titles([one.run.config for one in found]), {}, []
    for one, curve, title, own in zip(found, curves, titles, trained, strict=True):
        loss = one.run.config.loss
        met[loss] = met.get(loss, -1) + 1
        head = {"pane": one.run.id, "title": title, "loss": loss, "color": loss_color(loss), "dash": DASHES[met[loss] % len(DASHES)],
                "masks": curve.masks, "texts": curve.texts, "of": curve.of, "visible": curve.visible}  # fmt: skip
        rows.append(pd.DataFrame({"sigma": curve.sigmas, "accuracy": curve.mean, "low": curve.low, "high": curve.high}).assign(mark="curve", **head))
        here = {"sigma": [one.study.graph.sigma], "accuracy": [_at(curve, one.study.graph.sigma)], "low": np.nan, "high": np.nan}
        rows.append(pd.DataFrame(here).assign(mark="now", **head))
        if own is not None:
            rows.append(pd.DataFrame({**here, "sigma": [own], "accuracy": [_at(curve, own)]}).assign(mark="trained", **head))
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))
    return table.reindex(columns=list(COLUMNS))


def _at(curve: SigmaCurve, sigma: float) -> float:
    """The curve's height there, so that the mark stands on it."""
    return float(np.interp(np.log(sigma), np.log(curve.sigmas), curve.mean))


def screen(table: pd.DataFrame, *, theme: Theme = LIGHT, height: int = 320) -> go.Figure:
    """Sigma on a log scale; a circle where the graph stands, a diamond at the sigma of training."""
    curves, ends = _curves(table, 16 / max(height - 76, 1))
    room = max([text_width(short(group["title"].iloc[0], 30), 1.15 * 13) for group in curves], default=0) + 14
    figure = go.Figure({"layout": _layout(theme, height, room, _span(table))})
    for group, end in zip(curves, ends, strict=True):
        figure.add_traces(_traces(group, table, theme))
        figure.add_annotation(x=1, xref="paper", xanchor="left", xshift=6, y=end, yref="y", showarrow=False, align="left",
                              text=plotly_text(short(group["title"].iloc[0], 30)),
                              font={"color": readable(group["color"].iloc[0], theme.ground), "size": 13, "weight": 600})  # fmt: skip
    return figure


def _curves(table: pd.DataFrame, line: float) -> tuple[list[pd.DataFrame], np.ndarray]:
    groups = [group for _, group in table[table["mark"] == "curve"].groupby("pane", sort=False)]
    wanted = np.array([100 * group["accuracy"].iloc[-1] for group in groups])
    return groups, spread(wanted, 105 * line, 0, 100) if groups else wanted


def _span(table: pd.DataFrame) -> tuple[float, float]:
    sigmas = table["sigma"].to_numpy(dtype=float)
    return (float(sigmas.min()), float(sigmas.max())) if len(sigmas) else (0.03, 3.0)


def _layout(theme: Theme, height: int, room: float, span: tuple[float, float]) -> dict[str, Any]:
    ticks = [tick for tick in TICKS if span[0] * 0.99 <= tick <= span[1] * 1.01]
    axis = {"gridcolor": theme.lines, "zeroline": False, "linecolor": theme.lines, "tickfont": {"color": theme.muted, "size": 12}}
    return {
        "xaxis": {**axis, "type": "log", "range": tuple(np.log10(span)), "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks],
                  "showgrid": False, "title": {"text": "σ, width of the kernel", "font": {"size": 12, "color": theme.muted}}, "fixedrange": True},
        "yaxis": {**axis, "range": (0, 103), "fixedrange": True, "nticks": 6},
        "title": {"text": "Propagated accuracy on hidden texts, per cent", "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top",
                  "pad": {"t": 6, "l": 4}, "font": {"size": 13, "color": theme.muted}},
        "height": height, "margin": {"l": 34, "r": room, "t": 34, "b": 42}, "showlegend": False, "dragmode": False, "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


def _traces(group: pd.DataFrame, table: pd.DataFrame, theme: Theme) -> list[go.Scatter]:
    color, title = readable(group["color"].iloc[0], theme.ground, 2.5), plotly_text(group["title"].iloc[0])
    told = {"hovertemplate": "%{hovertext}<extra></extra>"}
    found = []
    if group["low"].notna().any():
        x = np.r_[group["sigma"], group["sigma"][::-1]]
        y = 100 * np.r_[group["high"], group["low"][::-1]]
        found.append(go.Scatter(x=x, y=y, fill="toself", fillcolor=rgba(color, 0.16), line={"width": 0}, hoverinfo="skip", name="interval"))
    hover = [f"{title}<br>σ = {s:.3g}<br><b>{interval_text(100 * a, 100 * low, 100 * h)} %</b>" + ("" if np.isfinite(h) else " (one mask)")
             for s, a, low, h in zip(group["sigma"], group["accuracy"], group["low"], group["high"], strict=True)]  # fmt: skip
    line = {"color": color, "width": 2, "dash": group["dash"].iloc[0]}
    found.append(go.Scatter(x=group["sigma"], y=100 * group["accuracy"], mode="lines", line=line, hovertext=hover, name=title, **told))
    for mark, symbol, said in (("now", "circle", "now"), ("trained", "diamond-open", "σ of training")):
        part = table[(table["mark"] == mark) & (table["pane"] == group["pane"].iloc[0])]
        if len(part):
            point = {"size": 11, "symbol": symbol, "color": color, "line": {"width": 1.8, "color": theme.ink if mark == "now" else color}}
            hover = [f"{title}<br>{said}: σ = {part['sigma'].iloc[0]:.3g}"]
            found.append(go.Scatter(x=part["sigma"], y=100 * part["accuracy"], mode="markers", marker=point, hovertext=hover, name=mark, **told))
    return found


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The same curves at the preset's width."""
    with drawing():
        size = max(6.0, preset.font_pt - 0.5)
        height = preset.height_mm or min(0.6 * preset.width_mm, 62.0)
        heading, line = lines_of("Propagated accuracy on hidden texts, per cent", size, preset.width_mm - 1), 1.25 * size / PT_PER_MM
        top = 5 + line * (len(heading) - 1)
        height += 0 if preset.height_mm else top - 5
        plot_height = height - top - 9.5
        curves, ends = _curves(table, 1.3 * size / (plot_height * PT_PER_MM))
        figure = canvas(preset.width_mm, height)
        for i, words in enumerate(heading):
            text(figure, 0.5, 3 + line * i, words, size=size, color=PAPER.muted)
        names, room = beside([group["title"].iloc[0] for group in curves], size, preset.width_mm - 10, limit=30, bold=True)
        room += 2
        ax = plot_axes(figure, preset, Box(8, top, preset.width_mm - 8 - room, plot_height))
        span = _span(table)
        ticks = [tick for tick in TICKS if span[0] * 0.99 <= tick <= span[1] * 1.01][:: 2 if preset.width_mm - room < 34 else 1]
        ax.set(xscale="log", xlim=span, ylim=(0, 103))
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.set_xticks([], minor=True)
        below = "σ, width of the kernel"
        middle = inside(8 + (preset.width_mm - 8 - room) / 2, below, size, preset.width_mm)
        text(figure, middle, height - 1, below, size=size, ha="center", color=PAPER.muted)
        for place, (group, end) in enumerate(zip(curves, ends, strict=True)):
            _paper_curve(ax, group, table, dash(figure, place, group["title"].iloc[0], group["color"].iloc[0]), end, names[place], size)
        if not curves:
            text(figure, preset.width_mm / 2, height / 2, "No curve to show", size=size, ha="center", color=PAPER.muted)
            ax.set_axis_off()
    return figure


def _paper_curve(ax: Any, group: pd.DataFrame, table: pd.DataFrame, style: Any, end: float, title: str, size: float) -> None:
    color = readable(group["color"].iloc[0], PAPER.ground, 2.5)
    if group["low"].notna().any():
        ax.fill_between(group["sigma"], 100 * group["low"], 100 * group["high"], color=color, alpha=0.16, linewidth=0)
    ax.plot(group["sigma"], 100 * group["accuracy"], color=color, linewidth=1.1, linestyle=style)
    for mark, look in (("now", {"marker": "o", "markeredgecolor": PAPER.ink}), ("trained", {"marker": "D", "markerfacecolor": "none"})):
        part = table[(table["mark"] == mark) & (table["pane"] == group["pane"].iloc[0])]
        ax.plot(part["sigma"], 100 * part["accuracy"], color=color, markersize=4, markeredgewidth=0.8, linestyle="none", clip_on=False, **look)
    at = group["sigma"].iloc[-1] * 1.06
    text(ax, at, end, title, size=size, va="center", weight="bold", clip_on=False, color=readable(group["color"].iloc[0], PAPER.ground))


def caption(table: pd.DataFrame, inputs: Sequence[GraphInput]) -> str:
    """What is measured, on how many texts and masks, and of which runs."""
    if table.empty:
        return "No curve to show."
    first = table.iloc[0]
    texts = f"{int(first['texts']):,} texts" + (f" (a stratified sample of {int(first['of']):,})" if first["texts"] < first["of"] else "")
    if first["masks"] > 1:
        how = f"mean and 95% t interval over {int(first['masks'])} random masks, embeddings and texts fixed"
    else:
        how = "one mask, the run's support: no interval"
    said = [f"Share of hidden texts whose label propagation guesses right, against sigma: {texts}, {int(first['visible']):,} labels visible; {how}."]
    said.append("Circles: sigma of the graph shown." + (" Diamonds: sigma of training." if (table["mark"] == "trained").any() else ""))
    return " ".join([*said, runs_words([given.run for given in inputs])])


def alt(table: pd.DataFrame, pane_id: str | None = None) -> str:
    """The curves in words."""
    said = []
    for _, group in table[table["mark"] == "curve"].groupby("pane", sort=False):
        best = group.loc[group["accuracy"].idxmax()]
        now = table[(table["mark"] == "now") & (table["pane"] == group["pane"].iloc[0])].iloc[0]
        said.append(f"{group['title'].iloc[0]} is best at sigma {best['sigma']:.2g} with {100 * best['accuracy']:.1f}%, "
                    f"and stands at sigma {now['sigma']:.2g} with {100 * now['accuracy']:.1f}%")  # fmt: skip
    return f"Propagated accuracy against sigma: {'; '.join(said)}." if said else "No curve to show."


def notes(table: pd.DataFrame) -> list[str]:
    return [one for one in [missing_glyphs(dict.fromkeys(table["title"]))] if one]
