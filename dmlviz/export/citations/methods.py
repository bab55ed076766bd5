"""The methods paragraph: what the configs of the runs hold, in the papers' terms. What is common is said once, what differs where it differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from dmlviz.analysis.attribution.kind import METHODS
from dmlviz.analysis.fairness import REPEATS
from dmlviz.analysis.judged_rows import rows_apart
from dmlviz.analysis.reliability.groups import Group, group_runs, key_without
from dmlviz.analysis.reliability.intervals import units
from dmlviz.analysis.statistics import LEVEL
from dmlviz.core.places import place_name
from dmlviz.core.types import InputError, Run, RunConfig, TextDataset
from dmlviz.data.catalogue import CATALOGUE
from dmlviz.data.sampling import FOLD_SEED, TEST_SHARE
from dmlviz.export.citations import training
from dmlviz.export.citations.marked import as_latex, as_markdown, as_text, cite, count, listed, math, name, number, numbers, spread, those
from dmlviz.export.citations.sources import (
    ATTRIBUTION_KEYS,
    FIGURE_KEYS,
    MAP_KEYS,
    PROPAGATION,
    STUDENT,
    Figure,
    attribution_of,
    dataset_keys,
    dataset_title,
    encoder_keys,
    loss_keys,
    map_of,
    readout_keys,
    readout_of,
    trains,
)
from dmlviz.figures.base.words import clean
from dmlviz.losses import LOSSES, check_ce_weight, check_settings
from dmlviz.losses.table import Setting, variant

POOLED = {"mean": "the mean of its token vectors", "cls": "the vector of its class token", "max": "the maximum of its token vectors",
          "last": "the vector of its last token", "mean_sqrt_len": "the sum of its token vectors over the square root of their number",
          "weighted_mean": "the mean of its token vectors, weighted by their positions"}  # fmt: skip
OBJECTIVE = r"w\,\mathrm{CE} + (1-w)\,M"
PRE_TRAINED, ELSEWHERE, SHUFFLED = "the encoder before training", "models fine-tuned elsewhere", " with shuffled labels"
MAP_TITLES = {"umap": "UMAP", "pca": "PCA", "tsne": "t-SNE", "pacmap": "PaCMAP"}
READOUTS = {
    "head": "the linear head",
    "centers": "the similarity to the loss's centres",
    "mixed": "the probabilities of head and centres, mixed in the proportion of the two losses",
    "knn": "the votes of the five most similar support texts (cosine)",
    "linear_probe": "a logistic regression on the frozen vectors of the support texts",
    "propagation": "labels spread from the support texts over a Gaussian similarity graph",
}


class Arm(NamedTuple):
    """Runs that differ in seeds alone, and by what they are told from others: the first word of a label's key is its preposition."""

    group: Group
    title: str
    labels: Mapping[str, str]  # the likeliest to tell arms apart first

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.group.runs

    @property
    def config(self) -> RunConfig:
        return self.group.config


Words = Callable[[Arm], str | None]


def methods(
    runs: Sequence[Run], *, datasets: Mapping[str, TextDataset] | None = None, figures: Sequence[Figure] = (), latex: bool = False,
    markdown: bool = False,
) -> str:  # fmt: skip
    """One paragraph, ready to paste: text with authors and years (also as Markdown), or LaTeX with natbib's \\citep and the keys of `bibtex`.

    datasets: by content hash, where they are at hand; then sizes of parts and the way to the test part are said too. `figures` adds how maps and
    attributions were made. Raises InputError without a run.
    """
    if not runs:
        raise InputError("no run was named, so there is nothing to describe; name the runs that the figures show")
    whole = [replace(run, config=run.config.model_copy(update={"left_out": None})) for run in runs]
    arms = arms_of(whole)
    trained = [arm for arm in arms if trains(arm.runs[0])]
    sentences = [
        *_data(arms, datasets or {}), *_shots(arms), *_validation(arms), *_left_out(runs), _encoder(arms),
        *_losses(trained), *_controls(arms), *training.sentences(trained, lambda say: _over(trained, say)),
        *_readouts(arms), *_repetitions(arms), *_figures(figures), *_software(runs),
    ]  # fmt: skip
    paragraph = " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
    return (as_latex if latex else as_markdown if markdown else as_text)(paragraph)


def arms_of(runs: Sequence[Run]) -> list[Arm]:
    """The groups of these runs, named. Configurations of one loss that stand beside each other on the same texts are its variants 1, 2 ..."""
    found: list[Arm] = []
    cells: dict[tuple[str, ...], list[str]] = {}  # one loss on the same texts -> its configurations
    for group in group_runs(runs):
        config = group.config
        shots = "all texts" if config.shots is None else f"{config.shots} {'shots' if config.shots_by == 'class' else 'texts in all'}"
        place = {"on": name(dataset_title(config)), "with shots": shots, "with encoder": name(clean(place_name(config.encoder)))}
        found.append(Arm(group, title(group.runs[0]), {"for": title(group.runs[0]), **place}))
        cells.setdefault((found[-1].title, *place.values(), str(config.dataset_hash)), []).append(_configuration(group.runs[0]))
    several = {cell[0] for cell, keys in cells.items() if len(keys) > 1}
    variants = {one: list(dict.fromkeys(key for cell, keys in cells.items() if cell[0] == one for key in keys)) for one in several}
    return [_numbered(arm, variants[arm.title]) if arm.title in several else arm for arm in found]


def _configuration(run: Run) -> str:
    return key_without(run, *REPEATS, "dataset", "dataset_hash", "shots", "shots_by")


def _numbered(arm: Arm, variants: Sequence[str]) -> Arm:
    return arm._replace(labels={**arm.labels, "for": f"variant {variants.index(_configuration(arm.runs[0])) + 1} of {arm.title}"})


def title(run: Run) -> str:
    if run.origin == "loaded":
        return ELSEWHERE
    if run.config.control == "pre_trained":
        return PRE_TRAINED
    own = "cross-entropy" if run.config.loss == "cross_entropy" else LOSSES[run.config.loss].title
    return own + (SHUFFLED if run.config.control == "shuffled_labels" else "")


def _over(arms: Sequence[Arm], say: Words) -> str:
    return spread([(arm.labels, say(arm)) for arm in arms])


def _by(arms: Sequence[Arm], *kinds: str) -> list[list[Arm]]:
    """The arms that share these labels, together."""
    found: dict[tuple[str, ...], list[Arm]] = {}
    for arm in arms:
        found.setdefault(tuple(arm.labels[kind] for kind in kinds), []).append(arm)
    return list(found.values())


# ---- texts


def _data(arms: Sequence[Arm], datasets: Mapping[str, TextDataset]) -> Iterable[str]:
    sets: dict[tuple[str, str | None], list[Run]] = {}
    for arm in arms:
        for run in arm.runs:
            sets.setdefault((run.config.dataset.strip(), run.config.dataset_hash), []).append(run)
    names = [key[0] for key in sets]
    told = [_one_set(own, datasets, names.count(own[0].config.dataset.strip()) > 1) for own in sets.values()]
    yield f"The data set{'s were' if len(told) > 1 else ' was'} {'; '.join(told)}."
    cuts = sorted({run.config.cut_seed for own in sets.values() for run in own if run.config.cut_seed})
    bare = [own for own in sets.values() if _without_test(own[0], datasets)]
    if bare:
        which = listed(name(dataset_title(own[0].config)) for own in bare)
        apart = rows_apart([run for own in bare for run in own])
        same = f"; not all runs were judged on the same texts ({apart})" if apart else ", the same for every draw"
        said = f"{which} {'has' if len(bare) == 1 else 'have'} no test part, so {100 * TEST_SHARE:g} % of each class were set aside as one{same}"
        yield f"{said}{f' (cut seed {numbers(cuts)})' if cuts else ''}."
    elif cuts:
        yield f"Where a data set has no test part, one was cut from its texts with seed {numbers(cuts)}."
    folded = [arm for arm in arms if arm.config.folds is not None]
    if folded:
        cut = _over(arms, lambda arm: f"{arm.config.folds} folds" if arm.config.folds else "its own parts")
        tested = sorted({run.config.fold for arm in folded for run in arm.runs})
        turn = " in turn" if len(tested) > 1 else ""
        yield (f"The texts were divided into {cut}, shuffled with seed {FOLD_SEED} and the same for every run; the test part was "
               f"fold {numbers(tested)}{turn}, counted from 0.")  # fmt: skip


def _one_set(runs: Sequence[Run], datasets: Mapping[str, TextDataset], several: bool) -> str:
    config = runs[0].config
    entry, texts = CATALOGUE.get(config.dataset.strip().lower()), datasets.get(config.dataset_hash or "")
    classes = len(texts.label_names) if texts else entry.classes if entry else None
    facts = [entry.task if entry else "", count(classes, "class", "classes") if classes else "", _sizes(runs, texts)]
    if (several or not entry) and config.dataset_hash:  # its name alone does not say which texts these are
        facts.append(f"content hash {config.dataset_hash[:12]}")
    told = ", ".join(fact for fact in facts if fact)
    return f"{name(dataset_title(config))}{cite(*dataset_keys(config.dataset))}" + (f": {told}" if told else "")


def _sizes(runs: Sequence[Run], texts: TextDataset | None) -> str:
    tested = sorted({int(run.metrics["n_test"]) for run in runs if "n_test" in run.metrics})
    many = "" if not tested else f"{tested[0]:,}" if len(tested) == 1 else f"{tested[0]:,} to {tested[-1]:,}"
    if texts is None:
        return f"{many} test texts" if many else ""
    sizes = {called: int((texts.parts == part).sum()) for part, called in (("train", "training"), ("val", "validation"), ("test", "test"))}
    if runs[0].config.folds is not None or not sizes["test"]:
        return f"{count(len(texts.texts), 'text')}{f', {many} of them for testing' if many else ''}"
    return f"{', '.join(f'{size:,} {called}' for called, size in sizes.items() if size)} texts"


def _without_test(run: Run, datasets: Mapping[str, TextDataset]) -> bool:
    texts = datasets.get(run.config.dataset_hash or "")
    return texts is not None and run.config.folds is None and not (texts.parts == "test").any()


def _shots(arms: Sequence[Arm]) -> Iterable[str]:
    arms = [arm for arm in arms if arm.runs[0].origin != "loaded"]
    if not arms:
        return
    own = _by(arms, "for", "on", "with encoder")
    sizes = spread([({key: words for key, words in each[0].labels.items() if key != "with shots"}, _shot_words(each)) for each in own])
    numbers_of: dict[tuple[str, str], set[int]] = {}
    for arm in arms:
        if arm.config.shots is not None:
            numbers_of.setdefault((arm.labels["on"], arm.config.shots_by), set()).add(arm.config.shots)
    nested = any(len(each) > 1 for each in numbers_of.values())
    inside = "; of one draw, the smaller training set lies inside the larger" if nested else ""
    yield f"The support, which a model was trained on, was {sizes}{inside}."
    yield f"It was drawn {_over(arms, _draws)}; the seed decides everything but the texts drawn."


def _shot_words(arms: Sequence[Arm]) -> str:
    said = []
    for by, words in (("class", "of each class"), ("total", "in all, without regard to class")):
        found = sorted({arm.config.shots for arm in arms if arm.config.shots is not None and arm.config.shots_by == by})
        if found:
            said.append(f"{listed([f'{number:,}' for number in found], 'or')} {'text' if found == [1] else 'texts'} {words}, drawn at random")
    if any(arm.config.shots is None for arm in arms):
        said.append("all training texts")
    return listed(said, "or")


def _draws(arm: Arm) -> str:
    pairs = {(run.config.support_seed, run.config.seed) for run in arm.runs}
    draws, seeds = {draw for draw, _ in pairs}, {seed for _, seed in pairs}
    times = "once" if len(draws) == 1 else "twice" if len(draws) == 2 else f"{len(draws)} times"
    first = f"{times} (support seed{'s' if len(draws) > 1 else ''} {numbers(draws)}), {'each time ' if len(draws) > 1 else ''}with"
    if len(pairs) == len(draws) * len(seeds):
        return f"{first} {'the same seed' if len(seeds) == 1 and len(draws) > 1 else count(len(seeds), 'seed')} ({numbers(seeds)})"
    return f"{first} {'a seed of its own' if len(pairs) == len(draws) else f'some of {len(seeds)} seeds'} ({numbers(seeds)})"


def _validation(arms: Sequence[Arm]) -> Iterable[str]:
    def say(arm: Arm) -> str:
        found = {int(run.metrics["n_validation"]) for run in arm.runs if "n_validation" in run.metrics}
        wanted = arm.config.validation
        if not wanted:
            return "no texts"
        return f"{'up to ' if found and found != {wanted} else ''}{count(wanted, 'text')}"

    if any(arm.config.validation for arm in arms):
        yield (f"For validation {_over(arms, say)} were drawn in the proportions of the classes, from the data set's validation part where it has "
               "one and else from the training texts left over.")  # fmt: skip
    else:
        yield "There were no validation texts."


def _left_out(runs: Sequence[Run]) -> Iterable[str]:
    found = sorted({run.config.left_out for run in runs if run.config.left_out is not None})
    if found:
        many = sum(run.config.left_out is not None for run in runs)
        which = f"row {found[0]}" if len(found) == 1 else f"rows {', '.join(map(str, found))}" if len(found) < 9 else f"{len(found)} rows in turn"
        yield f"To see what single support texts do, {count(many, 'run')} left one of them out ({which} of the data set)."


def _encoder(arms: Sequence[Arm]) -> str:
    def pooling(arm: Arm) -> str:
        said = arm.runs[0].facts.get("pooling") or arm.config.pooling
        return " and ".join(POOLED.get(one, "the encoder's own pooling of its tokens") for one in said.split("+"))

    def tokenizer(arm: Arm) -> str:
        return f"the tokenizer of {name(place_name(arm.config.tokenizer))}" if arm.config.tokenizer else "its own tokenizer"

    encoders = [f"{name(clean(place_name(one)))}{cite(*encoder_keys(one))}" for one in dict.fromkeys(arm.config.encoder for arm in arms)]
    length = _over(arms, lambda arm: f"{arm.runs[0].facts.get('max_length') or arm.config.max_length} tokens")
    were = "s were" if len(encoders) > 1 else " was"
    words = f", with {_over(arms, tokenizer)}" if any(arm.config.tokenizer for arm in arms) else ""
    return f"The encoder{were} {listed(encoders)}{words}; a text was represented by {_over(arms, pooling)} in the last layer and cut at {length}."


# ---- objectives


def _losses(arms: Sequence[Arm]) -> Iterable[str]:
    if not arms:
        return
    told: dict[str, list[Arm]] = {}
    for arm in [arm for arm in arms if arm.config.control != "shuffled_labels"] or arms:
        told.setdefault(arm.title, []).append(arm)
    words = [f"{one}{cite(*dict.fromkeys(key for arm in own for key in loss_keys(arm.config)))}{_variants(own)}" for one, own in told.items()]
    yield f"{'The loss was' if len(told) == 1 else 'The losses compared were'} {listed(words)}."
    metric = _by([arm for arm in arms if LOSSES[arm.config.loss].loss_class is not None], "for")
    if metric:
        weights = [f"{math('w')} = {said} for {listed(who)}{paper}" for (said, paper), who in _alike(metric, _weight).items()]
        yield f"With a metric loss {math('M')} the objective was {math(OBJECTIVE)}, CE being cross-entropy, with {listed(weights)}."
    if adjustable := [own for own in metric if LOSSES[own[0].config.loss].settings]:
        for (form, said), who in _alike(adjustable, _settings).items():
            told_form = f" ({'each ' if len(who) > 1 else ''}{form})" if form else ""
            yield f"{listed(who)}{told_form} had {said}."


def _variants(arms: Sequence[Arm]) -> str:
    found = {arm.labels["for"] for arm in arms}
    return f" in {len(found)} variants" if len(found) > 1 else ""


def _alike(losses: Sequence[Sequence[Arm]], say: Callable[[Sequence[Arm]], tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """What is said of a loss -> the losses of which it is said; all the variants of one go by its title."""
    found: dict[tuple[str, str], list[Arm]] = {}
    for own in losses:
        found.setdefault(say(own), []).append(own[0])
    many = Counter(own[0].title for own in losses)
    alike: dict[tuple[str, str], list[str]] = {}
    for words, arms in found.items():
        here = Counter(arm.title for arm in arms)
        alike[words] = list(dict.fromkeys(arm.title if here[arm.title] == many[arm.title] else arm.labels["for"] for arm in arms))
    return alike


def _weight(arms: Sequence[Arm]) -> tuple[str, str]:
    letter = LOSSES[arms[0].config.loss].ce_weight_letter
    words = _over(arms, lambda arm: f"{check_ce_weight(arm.config.loss, arm.config.ce_weight):g}")
    return words, f" ({math(letter)} in the paper)" if letter else ""


def _settings(arms: Sequence[Arm]) -> tuple[str, str]:
    """Of one loss: whose form it has, and what was set otherwise than the table's default."""
    vectors = _over(arms, _vectors)
    return _over(arms, _form), f"{_over(arms, _changed)}{f' and saw {vectors}' if vectors else ''}"


def _form(arm: Arm) -> str | None:
    """Whose form of the loss it is, where a paper and its authors' code differ; only G-Loss's authors are such ones."""
    found = variant(arm.config.loss, arm.config.loss_settings)
    known = {
        "paper": "in its paper's form",
        "authors' code": "in the form of the G-Loss authors' code",
        "mixed variant": "in a form between its paper's and that of the G-Loss authors' code",
    }
    return known.get(found, f"in the form of the {LOSSES[arm.config.loss].form}") if found else None


def _changed(arm: Arm) -> str:
    whole = check_settings(arm.config.loss, dict(arm.config.loss_settings))
    known = [setting for setting in LOSSES[arm.config.loss].settings if setting.name != "vectors"]
    told = [_setting(one, whole[one.name]) for one in known if whole[one.name] != one.default and _matters(one, whole)]
    return f"{listed(told)}{' and else the default settings' if len(told) < len(known) else ''}" if told else "the default settings"


def _matters(setting: Setting, whole: Mapping[str, object]) -> bool:
    return setting.only_when is None or whole[setting.only_when[0]] in setting.only_when[1]


def _setting(setting: Setting, value: object) -> str:
    said = number(value) if isinstance(value, float) else str(value).lower().replace("_", " ")
    letter = f" {math(setting.letter)}" if setting.letter else ""
    return f"{setting.name.replace('_', ' ')}{letter} = {said}"


def _vectors(arm: Arm) -> str | None:
    if LOSSES[arm.config.loss].vectors != "setting":
        return None
    value = check_settings(arm.config.loss, dict(arm.config.loss_settings))["vectors"]
    return {"pooled": "one vector a text", "masked_tokens": "every token but padding", "all_tokens": "every token, padding too"}[str(value)]


def _controls(arms: Sequence[Arm]) -> Iterable[str]:
    kinds = dict.fromkeys(arm.title for arm in arms)
    if PRE_TRAINED in kinds:
        yield "As a control, the encoder was also used as it was before training."
    shuffled = [words.removesuffix(SHUFFLED) for words in kinds if words.endswith(SHUFFLED)]
    if shuffled:
        yield f"As a control, {listed(shuffled)} also learnt from labels dealt out anew among the support texts."
    if ELSEWHERE in kinds:
        yield "Some models were fine-tuned elsewhere; how is not known here."


# ---- results


def _readouts(arms: Sequence[Arm]) -> Iterable[str]:
    def say(arm: Arm) -> str | None:
        found = list(dict.fromkeys(readout for run in arm.runs if (readout := readout_of(run))))
        return listed(f"{READOUTS.get(one, one)}{cite(*readout_keys(one))}" for one in found) or None

    if words := _over(arms, say):
        yield f"Classes were predicted by {words}."


def _repetitions(arms: Sequence[Arm]) -> Iterable[str]:
    several = [arm for arm in arms if not arm.group.lone and units(arm.runs).n > 1]
    if not several:
        yield "Every number is of a single run, so it has no interval."
        return
    found = [(arm.labels, count(units(arm.runs).n, units(arm.runs).name)) for arm in several]
    notes = list(dict.fromkeys(units(arm.runs).words for arm in several))
    interval = f"Student's {100 * LEVEL:g} % interval over them{cite(STUDENT)}"
    yield f"Numbers are means over {spread(found)}, with {interval}; {'; '.join(notes)}."
    if len(several) < len(arms):
        lone = those([(arm.labels, arm not in several) for arm in arms])
        yield f"{f'Numbers {lone}' if lone else 'Other numbers'} are of single runs, so they have no interval."


def _figures(figures: Sequence[Figure]) -> Iterable[str]:
    maps = dict.fromkeys(method for one in figures if (method := map_of(one)))
    if maps:
        yield f"Maps were made by {listed(f'{MAP_TITLES.get(one, one)}{cite(*MAP_KEYS.get(one, ()))}' for one in maps)}."
    kinds = dict.fromkeys(kind for one in figures if (kind := attribution_of(one)))
    if kinds:
        yield f"Words were attributed by {listed(f'{METHODS[one]}{cite(*ATTRIBUTION_KEYS[one])}' for one in kinds)}."
    named = [one if isinstance(one, str) else one.name for one in figures]
    if graphs := [one for one in named if PROPAGATION in FIGURE_KEYS.get(one, ())]:
        yield f"Labels were spread over similarity graphs{cite(*FIGURE_KEYS[graphs[0]])}."


def _software(runs: Sequence[Run]) -> Iterable[str]:
    titles = {"dmlviz": ("dmlviz", ""), "torch": ("PyTorch", "paszke2019pytorch"), "transformers": ("Transformers", "wolf2020transformers"),
              "numpy": ("NumPy", "")}  # fmt: skip
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for library, version in dict(run.facts.get("versions") or {}).items():
            found.setdefault(str(library), {})[str(version)] = None
    words = []
    for library, versions in found.items():
        called, key = titles.get(library, (name(library), ""))
        words.append(f"{called} {listed(name(version) for version in versions)}{cite(*([key] if key else []))}")
    if words:
        yield f"Software: {', '.join(words)}."
