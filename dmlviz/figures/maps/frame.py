"""The table behind the maps, and what screen and paper draw from it: layers of marks, names, key, caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.fairness import unfair
from dmlviz.analysis.judged_rows import unreached_sentence
from dmlviz.core.places import place_name
from dmlviz.core.types import InputError, Pane, class_words
from dmlviz.figures.base.labels import medoid, place_labels
from dmlviz.figures.base.map_window import Window, outside, outside_sentence, window
from dmlviz.figures.base.theme import CORRECT, MOST_COLORS, MOST_FOCUS, NOWHERE, OKABE_ITO, OTHER, OTHER_COLOR, WRONG, class_styles, run_titles, scale
from dmlviz.figures.base.words import excerpt, missing_glyphs, short, text_width, whole
from dmlviz.losses.table import variant

ColorBy = Literal["class", "prediction", "correctness", "part", "confidence", "distortion", "lost", "disagreement", "needed", "reasons"]
COLOR_BY = ("class", "prediction", "correctness", "part", "confidence", "distortion", "lost", "disagreement", "needed", "reasons")
BY_CLASS = ("class", "prediction")
# colourings by a number of each text: what it is, in words. The numbers come from map_kinds.map_values
BY_VALUE = {
    "confidence": "probability of the predicted class",
    "distortion": "share of its neighbours that the map does not keep",
    "lost": "share of the pre-trained encoder's neighbours that fine-tuning replaced",
    "disagreement": "share of the runs that predict otherwise than most",
    "needed": "fall of the probability when the heaviest words of the attribution are masked",
    "reasons": "agreement of the words' weights between the runs (1: the same order, 0: the opposite)",
}
STEPS = 32  # colours of a scale: more cannot be told apart
PARTS = ("test", "validation", "support")  # drawn in this order, support on top
MOST_LABELS = 20
LABEL_CHARS = 22


def frame(
    panes: Sequence[Pane],
    label_names: Sequence[str],
    texts: Sequence[str],
    *,
    color_by: ColorBy = "class",
    parts: Sequence[str] = ("test", "support"),
    focus: Sequence[str] = (),
    values: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """One row per drawn text and pane. `texts` are the data set's, indexed by row id.

    Above 20 classes the 8 largest have colour unless `focus` names others. `values`: run id -> (N,) a number 0..1 for each text of the pane, for
    the colourings of BY_VALUE; NaN where it was not measured.
    """
    if color_by not in COLOR_BY:
        raise InputError(f"cannot colour by {color_by!r}; choose one of {', '.join(COLOR_BY)}.")
    if not set(parts) <= set(PARTS):
        raise InputError(f"unknown part among {', '.join(parts)}; known: {', '.join(PARTS)}.")
    label_names = [whole(name) for name in label_names]
    focus = tuple(map(whole, focus)) or default_focus(panes, label_names)
    titles = run_titles([pane.run.config for pane in panes])
    heads = {int(row): excerpt(texts[row]) for row in sorted({int(row) for pane in panes for row in pane.projection.row_ids})}
    tables = [
        _pane_rows(pane, title, label_names, heads, parts, (values or {}).get(pane.run.id)) for pane, title in zip(panes, titles, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*_COLUMNS])
    return _coloured(table, label_names, color_by, focus)


_COLUMNS = ("pane", "title", "loss", "accuracy", "row_id", "x", "y", "part", "label", "prediction", "correct", "confidence", "text", "value")


def _pane_rows(
    pane: Pane, title: str, label_names: Sequence[str], heads: Mapping[int, str], parts: Sequence[str], value: np.ndarray | None
) -> pd.DataFrame:
    names = class_words(label_names)
    keep = np.flatnonzero(np.isin(pane.roles, list(parts)))
    row_ids = np.asarray(pane.projection.row_ids)[keep]
    points = np.asarray(pane.projection.points, dtype=float)[keep, :2]
    labels, predictions = np.asarray(pane.labels)[keep], np.asarray(pane.predictions)[keep]
    values = (
        pane.run.id, title, pane.run.config.shown_loss, accuracy(pane), row_ids, points[:, 0], points[:, 1], np.asarray(pane.roles)[keep],
        names[labels], names[predictions], labels == predictions, np.asarray(pane.confidence, dtype=float)[keep],
        [heads[int(row)] for row in row_ids], np.full(len(keep), np.nan) if value is None else np.asarray(value, dtype=float)[keep],
    )  # fmt: skip
    return pd.DataFrame(dict(zip(_COLUMNS, values, strict=True)), index=range(len(keep)))


def accuracy(pane: Pane) -> float:
    """The run's test accuracy as it was stored; from the pane's own test rows when the run has none."""
    stored = pane.run.metrics.get("accuracy")
    if stored is not None:
        return float(stored)
    test = np.asarray(pane.roles) == "test"
    return float((np.asarray(pane.labels)[test] == np.asarray(pane.predictions)[test]).mean()) if test.any() else float("nan")


def default_focus(panes: Sequence[Pane], label_names: Sequence[str]) -> tuple[str, ...]:
    """() up to 20 classes; above, the 8 largest by their texts in the first pane, ties by number."""
    if len(set(label_names)) <= MOST_COLORS or not panes:
        return ()
    counts = np.bincount(panes[0].labels, minlength=len(label_names))
    return tuple(label_names[c] for c in sorted(range(len(label_names)), key=lambda c: -counts[c])[:MOST_FOCUS])


def _coloured(table: pd.DataFrame, label_names: Sequence[str], color_by: ColorBy, focus: Sequence[str]) -> pd.DataFrame:
    table = table.assign(color_by=color_by)
    if color_by == "correctness":
        correct = table["correct"].to_numpy(dtype=bool)
        drawn = ("correct", CORRECT, "circle"), ("wrong", WRONG, "x")
        columns = [np.where(correct, right, wrong) for right, wrong in zip(*drawn, strict=True)]
    elif color_by == "part":
        styles = {part: OKABE_ITO[i] for i, part in enumerate(PARTS)}
        columns = [table["part"].to_numpy(), table["part"].map(styles).to_numpy(), np.full(len(table), "circle")]
    elif color_by in BY_VALUE:
        columns = _by_value(table["value"].to_numpy(dtype=float))
    else:
        styles = class_styles(label_names, focus)
        keys = table["label" if color_by == "class" else "prediction"]
        shown = [styles.get(key, NOWHERE) for key in keys]
        columns = [
            [key if style.color != OTHER_COLOR or style is NOWHERE else OTHER for key, style in zip(keys, shown, strict=True)],
            [style.color for style in shown],
            [style.symbol for style in shown],
        ]
    return table.assign(**{name: np.asarray(values, dtype=object) for name, values in zip(("color_key", "color", "symbol"), columns, strict=True)})


def _by_value(values: np.ndarray) -> list[np.ndarray]:
    """Keys, colours and symbols of a scale from 0 to 1: cividis, which reads in grey and with any colour sight."""
    steps = np.clip(np.nan_to_num(values) * STEPS, 0, STEPS - 1).astype(int)
    known = np.isfinite(values)
    keys = np.where(known, np.array([f"{(i + 0.5) / STEPS:.2f}" for i in range(STEPS)], dtype=object)[steps], OTHER)
    return [keys, np.where(known, np.array(scale(STEPS), dtype=object)[steps], OTHER_COLOR), np.full(len(values), "circle")]


def pane_ids(table: pd.DataFrame) -> list[str]:
    """The panes in the order they were given."""
    return list(dict.fromkeys(table["pane"]))


class Layer(NamedTuple):
    """Marks drawn together. Later layers lie on top."""

    name: str  # "other", "validation", "test", "wrong", "support"
    rows: pd.DataFrame


def layers(pane_rows: pd.DataFrame) -> list[Layer]:
    """The pane's rows, each in exactly one layer, shuffled so that no class hides another by its place in the file."""
    rows = pane_rows.iloc[np.random.default_rng(0).permutation(len(pane_rows))]
    part, key = rows["part"].to_numpy(), rows["color_key"].to_numpy()
    grey = key == OTHER
    wrong = (key == "wrong") & (rows["color_by"].to_numpy() == "correctness")
    masks = {
        "other": (part == "test") & grey,
        "validation": part == "validation",
        "test": (part == "test") & ~grey & ~wrong,
        "wrong": (part == "test") & wrong,
        "support": part == "support",
    }
    return [Layer(name, rows[mask]) for name, mask in masks.items() if mask.any()]


def opacity(marks: int) -> float:
    """Of test marks: 0.9 for few, less the more there are."""
    return float(np.clip(0.9 * (400 / max(marks, 1)) ** 0.25, 0.35, 0.9))


class Label(NamedTuple):
    """A class name on a map: where its medoid is and where the name goes, in data units."""

    name: str  # full; draw `short(name, LABEL_CHARS)`
    color: str  # as in the frame; "" for the theme's muted ink
    anchor: tuple[float, float]
    at: tuple[float, float]
    moved: bool  # so far that a line should lead back to the medoid


Measure = Callable[[str, float], float]  # (words, size) -> width, in the unit of size


def labels(pane_rows: pd.DataFrame, view: Window, *, side: float, size: float, measure: Measure = text_width) -> list[Label]:
    """Names of the coloured classes, the largest first, in a pane of `side` with text of `size` (one unit: px or pt).

    `measure`: how wide words are drawn; the default is a guess for the screen, whose font is not known here.
    """
    table = _anchors(pane_rows)
    if table.empty:
        return []
    span = view[1] - view[0]
    anchors = (table[["x", "y"]].to_numpy() - [view[0], view[2]]) / span * side
    sizes = np.array([[measure(short(name, LABEL_CHARS), size), 1.25 * size] for name in table["name"]])
    placed = place_labels(anchors, sizes, (side, side), gap=0.1 * size) / side * span + [view[0], view[2]]
    rows = zip(table["name"], table["color"], table[["x", "y"]].to_numpy(), placed, strict=True)
    far = 2.2 * size / side * span
    return [
        Label(name, color, tuple(anchor), tuple(at), bool(np.linalg.norm(at - anchor) > far))
        for name, color, anchor, at in rows
        if np.isfinite(at).all()
    ]


def _anchors(pane_rows: pd.DataFrame) -> pd.DataFrame:
    """Name, colour and medoid of each class to be named; medoids of the test texts where there are some."""
    own_ink = not pane_rows["color_by"].isin(BY_CLASS).any()  # colour says something else, so names stand in the theme's ink
    named = pane_rows if own_ink else pane_rows[pane_rows["color_key"] != OTHER]
    name_of = "label" if own_ink else "color_key"
    most = MOST_FOCUS if own_ink and pane_rows["label"].nunique() > MOST_LABELS else MOST_LABELS
    rows = []
    for name, group in named.groupby(name_of, sort=True):
        test = group[group["part"] == "test"]
        x, y = medoid((test if len(test) else group)[["x", "y"]].to_numpy(dtype=float))
        rows.append((name, "" if own_ink else group["color"].iloc[0], x, y, len(group)))
    table = pd.DataFrame(rows, columns=["name", "color", "x", "y", "n"])
    return table.sort_values(["n", "name"], ascending=[False, True], kind="stable").head(most)


class KeyEntry(NamedTuple):
    """One line of a key that panes share."""

    name: str
    color: str
    symbol: str
    count: int  # test texts in the first pane that holds them


def key(table: pd.DataFrame) -> list[KeyEntry]:
    """What each colour stands for: classes by size, other classes last."""
    if table.empty:
        return []
    if table["color_by"].iloc[0] in BY_VALUE:
        return _scale_key(table["value"].to_numpy(dtype=float))
    first = table[table["pane"] == table["pane"].iloc[0]]
    counts = first[first["part"] == "test"]["color_key"].value_counts()
    styles = table.drop_duplicates("color_key").set_index("color_key")[["color", "symbol"]]
    order = sorted(styles.index, key=lambda name: (name == OTHER, -int(counts.get(name, 0)), name))
    return [KeyEntry(name, styles.at[name, "color"], styles.at[name, "symbol"], int(counts.get(name, 0))) for name in order]


def _scale_key(values: np.ndarray) -> list[KeyEntry]:
    """Five places on the scale."""
    colors = scale(STEPS)
    entries = [KeyEntry(f"{at:.2f}", colors[min(int(at * STEPS), STEPS - 1)], "circle", 0) for at in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return [*entries, *([KeyEntry("not measured", OTHER_COLOR, "circle", 0)] if not np.isfinite(values).all() else [])]


def percent(share: float) -> str:
    """92.4%, or "no accuracy" when there is none."""
    return f"{100 * share:.1f}%" if np.isfinite(share) else "no accuracy"


def left_out(table: pd.DataFrame, view: Window) -> str:
    """How many texts of each pane the shared frame leaves out, as a sentence; "" where it holds all of them."""
    return outside_sentence([sum(one.count for one in outside(table[table["pane"] == pane], view)) for pane in pane_ids(table)])


def alt(table: pd.DataFrame, pane_id: str) -> str:
    """The map in words, for those who do not see it."""
    rows = table[table["pane"] == pane_id]
    if rows.empty:
        return "Empty map: no texts to show."
    counts = rows["part"].value_counts()
    shown = " and ".join(f"{counts[part]:,} {part} texts" for part in PARTS if part in counts)
    said = [f"Map of {rows['title'].iloc[0]}: {shown} in {rows['label'].nunique():,} classes, coloured by {rows['color_by'].iloc[0]}."]
    if np.isfinite(rows["accuracy"].iloc[0]):
        said.append(f"Test accuracy {percent(rows['accuracy'].iloc[0])}, single run.")
    wrong = rows[(rows["part"] == "test") & ~rows["correct"].astype(bool)]
    pairs = wrong.groupby(["label", "prediction"]).size().sort_values(ascending=False, kind="stable").head(2)
    if len(pairs):
        said.append("Most often confused: " + ", ".join(f"{a} read as {b} ({n:,})" for (a, b), n in pairs.items()) + ".")
    return " ".join(said)


def notes(table: pd.DataFrame) -> list[str]:
    """What paper cannot show as it is written: names cut short, characters without a glyph."""
    names = [str(name) for name in dict.fromkeys([*table["label"], *table["title"]])]
    cut = [name for name in names if short(name, LABEL_CHARS) != " ".join(name.split())]
    said = [f"{len(cut):,} long names are shortened with an ellipsis; the CSV has them whole."] if cut else []
    return [*said, *filter(None, [missing_glyphs(names)])]


def _span(counts: Sequence[int]) -> str:
    """'298', or '295 to 298' where the panes differ."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def caption(table: pd.DataFrame, panes: Sequence[Pane]) -> str:
    """Ready to paste: what is shown, n, seeds, method and its check, runs."""
    if table.empty or not panes:
        return "No texts to show."
    rows = table[table["pane"] == table["pane"].iloc[0]]
    counts = table.groupby(["pane", "part"]).size().unstack(fill_value=0)
    marks = {"test": "filled", "validation": "hollow", "support": "ringed diamonds"}
    shown = ", ".join(f"{_span(counts[part])} {part} ({marks[part]})" for part in PARTS if part in counts)
    sets = _and(place_name(pane.run.config.dataset) for pane in panes)
    said = [f"{sets} texts as embedded after fine-tuning with {_and(_titles(table))}: {shown}."]
    if rows["color_by"].iloc[0] == "correctness":
        said.append("Circles are read correctly, crosses wrongly.")
    elif rows["color_by"].iloc[0] in BY_VALUE:
        said.append(f"Colour is the {BY_VALUE[rows['color_by'].iloc[0]]}, from 0 (dark) to 1 (bright).")
    elif rows["color_by"].iloc[0] == "part":
        said.append("Colour is the part.")
    else:
        hidden = rows["label"].nunique() - rows.loc[rows["color_key"] != OTHER, "label"].nunique()
        said.append(f"Colour is the {rows['color_by'].iloc[0]}" + (f"; {hidden} classes are grey." if hidden > 0 else "."))
    said.append(f"Test accuracy {', '.join(percent(accuracy(pane)) for pane in panes)} ({_draws(panes)}).")
    said += filter(None, [unreached_sentence([pane.run for pane in panes])])
    said.append(_method(panes))
    said += filter(None, [left_out(table, window(table))])
    said += _variants(panes, _titles(table))
    said += unfair([pane.run for pane in panes], _titles(table))
    return " ".join([*said, f"Runs {', '.join(pane.run.id for pane in panes)}."])


def _variants(panes: Sequence[Pane], titles: Sequence[str]) -> list[str]:
    """Where a loss's paper and its authors' code differ: which of them these runs follow."""
    found: dict[str, list[str]] = {}
    for pane, title in zip(panes, titles, strict=True):
        if said := variant(pane.run.config.loss, pane.run.config.loss_settings):
            found.setdefault(said, []).append(title)
    return [f"{_and(names)}: {said if said == 'mixed variant' else 'as in the ' + said}." for said, names in found.items()]


def _titles(table: pd.DataFrame) -> list[str]:
    return [table.loc[table["pane"] == pane, "title"].iloc[0] for pane in pane_ids(table)]


def _and(words: object) -> str:
    unique = list(dict.fromkeys(words))
    return unique[0] if len(unique) == 1 else ", ".join(unique[:-1]) + " and " + unique[-1]


def _draws(panes: Sequence[Pane]) -> str:
    """Seeds and shots, once when all runs share them; what differs stands in the titles."""
    configs = [pane.run.config for pane in panes]
    said = ["single run" if len(panes) == 1 else "single runs"]
    shots = {(config.shots, config.shots_by) for config in configs}
    if len(shots) == 1:
        number, by = shots.pop()
        said.append("all training texts" if number is None else f"{number} shots {'per class' if by == 'class' else 'in all'}")
    for field, name in (("support_seed", "support seed"), ("seed", "seed")):
        values = {getattr(config, field) for config in configs}
        said.append(f"{name} {values.pop()}" if len(values) == 1 else f"{name}s {', '.join(map(str, sorted(values)))}")
    return ", ".join(said)


def _method(panes: Sequence[Pane]) -> str:
    maps = [pane.projection for pane in panes]
    names = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE", "pacmap": "PaCMAP"}
    said = [_and(f"{names.get(m.method, m.method)} ({m.metric}, seed {m.seed})" for m in maps)]
    if len(maps) > 1:
        said.append("one window for all panes")
    said.append(f"trustworthiness {', '.join(f'{m.trustworthiness:.2f}' for m in maps)} (k = {maps[0].trust_neighbors}, n = {maps[0].trust_n:,})")
    residuals = [f"{m.residual:.2f}" for m in maps if m.residual is not None]
    if residuals:
        said.append(f"residual of the registration {', '.join(residuals)}")
    return "; ".join(said) + "."
