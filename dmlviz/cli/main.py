"""Everything from a shell: train, look at runs, write figures.

What a script needs goes to stdout, all else to stderr. Exit 0: done as asked; 1: the run failed or is not sound; 2: a mistake in what was asked,
said in one sentence; 130: ended by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from dmlviz.analysis.load_words import known_config, load_line, report_rows
from dmlviz.cli import datasets as datasets_commands  # noqa: F401  adds its commands to the app
from dmlviz.cli import export, serve, sweeps, tables  # noqa: F401  add theirs
from dmlviz.cli.app import (
    AsJson,
    BatchSize,
    CeWeight,
    Config,
    Dataset,
    Detach,
    Encoder,
    Encoding,
    Epochs,
    Home,
    LabelColumn,
    Loss,
    Lr,
    MaxLength,
    PairColumn,
    Pooling,
    RunId,
    Seed,
    Sets,
    Shots,
    ShotsBy,
    SupportSeed,
    TextColumn,
    Tokenizer,
    UsageError,
    app,
    option,
)
from dmlviz.cli.output import notes, plain, put, run_facts, say, show_attributions, show_checks, show_protocol, table
from dmlviz.core.types import ACTIVE_STATES, InputError, Run, RunConfig
from dmlviz.jobs.local import LocalEngine
from dmlviz.store.runs import Store
from dmlviz.training.config_input import merged_fields, read_config, validation_sentence

if TYPE_CHECKING:  # what loads pandas loads only where it is needed: `runs` must be quick

    from dmlviz.core.types import TextDataset
    from dmlviz.papers import Protocol

LOOK_SECONDS, POLL_LOOKS = 0.4, 10  # between two looks at a run; looks between two checks that somebody serves the queue


@app.command()
def train(
    dataset: Dataset = None,
    loss: Loss = None,
    encoder: Encoder = None,
    tokenizer: Tokenizer = None,
    pooling: Pooling = None,
    shots: Shots = None,
    shots_by: ShotsBy = None,
    support_seed: SupportSeed = None,
    seed: Seed = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    ce_weight: CeWeight = None,
    max_length: MaxLength = None,
    sets: Sets = None,
    config: Config = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    pair_column: PairColumn = None,
    encoding: Encoding = None,
    detach: Detach = False,
    home: Home = None,
) -> int:
    """Train a run; prints its id."""
    from dmlviz.encoder.cut_texts import cut_in_run
    from dmlviz.jobs.submit import checked_config, submit

    given = {
        "dataset": dataset, "loss": loss, "encoder": encoder, "tokenizer": tokenizer, "pooling": pooling, "shots": shots, "shots_by": shots_by,
        "support_seed": support_seed, "seed": seed, "epochs": epochs, "batch_size": batch_size, "lr": lr, "ce_weight": ce_weight,
        "max_length": max_length,
    }  # fmt: skip
    wanted = checked_config(RunConfig(**merged_fields(read_config(config) if config else {}, sets or [], given)))
    store = Store(home)
    texts = _texts(store, wanted, text_column, label_column, pair_column, encoding)
    run_id = submit(wanted, store=store, dataset=texts)
    notes(cut_in_run(wanted, texts, store.split(run_id)))
    return _follow(store, run_id, detach)


@app.command()
def tune(
    dataset: Dataset = None,
    loss: Loss = None,
    trials: option(int | None, "--trials", "trials wanted in all; default: the search space's own, 15 or 5") = None,
    name: option(str | None, "--name", "name of the study; alone, it goes on with that study") = None,
    space: option(str | None, "--space", "search space: paper, authors or ours; default the loss's first") = None,
    encoder: Encoder = None,
    shots: Shots = None,
    shots_by: ShotsBy = None,
    support_seed: SupportSeed = None,
    seed: Seed = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    ce_weight: CeWeight = None,
    max_length: MaxLength = None,
    sets: Sets = None,
    config: Config = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    pair_column: PairColumn = None,
    encoding: Encoding = None,
    home: Home = None,
) -> int:
    """Search a loss's settings on validation texts; prints the best config as JSON for `train --config`.

    What is given here by name (--lr, --ce-weight, --set sigma=1) is not searched. Called again, a study goes on.
    """
    from dmlviz.jobs.tuning import open_study, summary
    from dmlviz.losses.search_spaces import find_space

    given = {
        "dataset": dataset, "loss": loss, "encoder": encoder, "shots": shots, "shots_by": shots_by, "support_seed": support_seed, "seed": seed,
        "epochs": epochs, "batch_size": batch_size, "lr": lr, "ce_weight": ce_weight, "max_length": max_length,
    }  # fmt: skip
    store, asked = Store(home), any(value is not None for value in given.values()) or bool(sets or config)
    wanted = RunConfig(**merged_fields(read_config(config) if config else {}, sets or [], given)) if asked or name is None else None
    if wanted is not None:
        find_space(wanted.loss, space)  # before the texts are fetched
    texts = _texts(store, wanted or summary(store, name).config, text_column, label_column, pair_column, encoding)
    if wanted is None:  # a study's own options; whether it is there was seen just now
        wanted, space = summary(store, name).config, space or summary(store, name).space
    return _tune(store, open_study(store, wanted, dataset=texts, trials=trials, name=name, space=space), texts)


@app.command()
def papers(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="a protocol, as `papers` lists it")] = None,
    run_ids: option(str | None, "--runs", "ids, separated by commas, or 'all': our runs beside the published numbers") = None,
    train: option(bool, "--train", "submit the protocol's runs; prints their ids") = False,
    dataset: option(list[str] | None, "--dataset", "with --train, repeatable: only this data set, or another than the paper's") = None,
    loss: option(list[str] | None, "--loss", "with --train, repeatable: only this loss, as the protocol labels it") = None,
    encoder: Encoder = None,
    epochs: Epochs = None,
    shots: Shots = None,
    sets: option(list[str] | None, "--set", "key=value, repeatable, with --train: any RunConfig field") = None,
    limit: option(int | None, "--limit", "with --train: at most so many repetitions (seeds, folds) of each") = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """What papers did and reported; their protocols to train and to compare with."""
    from dmlviz.papers import protocol, protocol_names

    if name is None:
        found = [protocol(one) for one in protocol_names()]
        if as_json:
            put(json.dumps([one.model_dump(mode="json", include={"name", "title", "paper"}) for one in found], indent=1, ensure_ascii=False))
        else:
            table(("NAME", "NUMBERS", "PAPER", "TITLE"), [(one.name, str(len(one.published)), one.paper, one.title) for one in found])
        return 0
    store, chosen = Store(home), protocol(name)
    if train:
        given = {"epochs": epochs, "shots": shots}
        return _train_protocol(store, chosen, dataset, loss, encoder, merged_fields({}, sets or [], given), limit)
    of_train = {"dataset": dataset, "loss": loss, "encoder": encoder, "epochs": epochs, "shots": shots, "set": sets, "limit": limit}
    for option_name, value in of_train.items():
        if value not in (None, []):
            raise InputError(f"--{option_name} says what to train; add --train, or leave it out")
    return show_protocol(store, chosen, run_ids, as_json)


@app.command()
def load(
    model: option(str, "--model", "folder or Hub id of a model fine-tuned elsewhere"),
    dataset: option(str, "--dataset", "catalogue name, folder, file or Hub id"),
    tokenizer: Tokenizer = None,
    pooling: Pooling = None,
    loss: Loss = None,
    shots: Shots = None,
    shots_by: ShotsBy = None,
    support_seed: SupportSeed = None,
    seed: Seed = None,
    max_length: MaxLength = None,
    sets: Sets = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    pair_column: PairColumn = None,
    encoding: Encoding = None,
    detach: Detach = False,
    home: Home = None,
) -> int:
    """Make a run of a model fine-tuned elsewhere; prints its id."""
    from dmlviz.jobs.submit import checked_config, loaded_config, submit_loaded

    given = {
        "tokenizer": tokenizer, "pooling": pooling, "loss": loss, "shots": shots, "shots_by": shots_by, "support_seed": support_seed, "seed": seed,
        "max_length": max_length,
    }  # fmt: skip
    fields = merged_fields({}, sets or [], given)
    fields = {name: value for name, value in fields.items() if name not in ("dataset", "encoder")}
    store, wanted = Store(home), checked_config(loaded_config(model, dataset, **fields))
    texts = _texts(store, wanted, text_column, label_column, pair_column, encoding)
    return _follow(store, submit_loaded(model, dataset, store=store, dataset=texts, **fields), detach)


@app.command()
def runs(as_json: AsJson = False, home: Home = None) -> None:
    """All runs, newest first."""
    store = Store(home)
    found = store.runs()
    for sentence in store.unreadable():
        say(sentence)
    if as_json:
        put(json.dumps([run_facts(run) for run in found], indent=1, ensure_ascii=False))
        return
    share = lambda value: "-" if value is None else f"{100 * value:.1f}"  # noqa: E731
    rows = [
        (run.id, run.state, run.config.shown_loss, run.config.dataset, str(run.config.shots or "all"), share(run.metrics.get("accuracy")),
         str(run.metrics.get("readout", "-")).replace("_", " "))
        for run in found
    ]  # fmt: skip
    table(("RUN", "STATE", "LOSS", "DATASET", "SHOTS", "ACCURACY", "PREDICTED BY"), rows)


@app.command()
def show(run: RunId, as_json: AsJson = False, home: Home = None) -> None:
    """All that is known of a run."""
    store = Store(home)
    facts = {**run_facts(store.run(run)), "bytes": store.size(run), "folder": str(store.folder(run))}
    if as_json:
        put(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    facts["config"] = known_config(store.run(run))
    for name, value in facts.items():
        if isinstance(value, Mapping):
            shown = {key: inner for key, inner in value.items() if key != "load"}  # said below, in words
            put(f"{name}:\n" + "\n".join(f"  {key}: {plain(inner)}" for key, inner in shown.items()) if shown else f"{name}: -")
        else:
            put(f"{name}: {plain(value)}")
    if rows := report_rows(store.run(run)):
        put("encoder:\n" + "\n".join(f"  {name}: {words}" for name, words in rows))
    if facts["state"] == "failed":
        say(store.log_tail(run))


@app.command()
def verify(run: Annotated[str, typer.Argument(metavar="RUN", help="id of a run, or all: every finished run")], home: Home = None) -> int:
    """Compare a finished run's files with their checksums, and its numbers with its stored scores; prints the problems or 'ok'."""
    from dmlviz.training.verification import verify as problems_of

    store = Store(home)
    if run != "all":
        problems = problems_of(store, run)
        put("\n".join(problems) or "ok")
        return 1 if problems else 0
    damaged = store.damaged()
    ids = [run_id for run_id in store.run_ids() if run_id in damaged or store.run(run_id).state == "finished"]
    found = {run_id: problems_of(store, run_id) for run_id in ids}
    for run_id, problems in found.items():
        put("\n".join(f"{run_id}: {problem}" for problem in problems or ["ok"]))
    return 1 if any(found.values()) else 0


@app.command()
def cancel(run: RunId, home: Home = None) -> int:
    """End a queued or running run; it can be resumed from its last checkpoint."""
    store = Store(home)
    LocalEngine(store).cancel(run)
    ended = _wait(store, run)
    say(f"run {run} is {ended.state}")
    return 0 if ended.state == "cancelled" else 1


@app.command()
def resume(run: RunId, detach: Detach = False, home: Home = None) -> int:
    """Go on with an interrupted, cancelled or failed run; prints its id."""
    store = Store(home)
    LocalEngine(store).submit(run)
    return _follow(store, run, detach)


@app.command()
def delete(run: RunId, yes: option(bool, "--yes", "do it; there is no way back") = False, home: Home = None) -> None:
    """Remove a run and all its files."""
    store = Store(home)
    store.folder(run)
    if not yes:
        raise InputError(f"deleting {run} cannot be undone; add --yes to do it")
    store.delete(run)
    say(f"deleted {run}")


@app.command()
def attribute(
    run_ids: option(str, "--runs", "ids, separated by commas"),
    text: option(str | None, "--text", "one text of your own; without it, texts of the test part") = None,
    pair: option(str | None, "--pair", "its second text, where the data set has pairs") = None,
    count: option(int, "--texts", "how many test texts, even over the classes") = 25,
    kind: option(str, "--kind", "method, baseline and target: ig, ig+mask, ig+gold, occlusion, ig+class=NAME ...") = "ig",
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Weigh the words behind predictions. Texts of the data set are stored with their runs; an own text is printed."""
    from dmlviz.analysis.attribution.kind import read_kind
    from dmlviz.analysis.attribution.text_sample import sample_rows
    from dmlviz.explain.jobs import Models, explain_rows, explain_typed

    store, ids = Store(home), [one.strip() for one in run_ids.split(",") if one.strip()]
    if not ids:
        raise InputError("no run was named; give their ids as --runs ID,ID")
    wanted, models = read_kind(kind), Models(store)
    if text is not None:
        return show_attributions(explain_typed(models, ids, text, pair, wanted), store, text, pair, as_json)
    if count < 1:
        raise InputError(f"--texts {count} was given; give 1 or more")
    told = [""]

    def on_progress(share: float) -> None:
        line = f"{100 * share:.0f} %"
        if line != told[0]:
            told[0] = line
            say(line)

    for run_id in ids:
        arrays = store.arrays(run_id)
        explain_rows(models, [run_id], sample_rows(arrays.roles, arrays.labels, arrays.row_ids, count), wanted, on_progress=on_progress)
    return show_checks(store, ids, kind, as_json)


# ---- studies and protocols


def _tune(store: Store, name: str, texts: TextDataset) -> int:
    """Work on the study until its trials are done or somebody stops it, then print what is best so far."""
    from dmlviz.jobs.tuning import run_study, summary
    from dmlviz.losses.search_spaces import SPACES

    began, asked = summary(store, name), []
    say_where = SPACES[began.config.loss][began.space].source
    say(f"study {name}: {began.done} of {began.wanted} trials done; space {began.space} ({say_where})")
    before = {one: signal.signal(one, lambda *_: asked.append(1)) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        ended = run_study(store, name, dataset=texts, say=say, stopped=lambda: bool(asked))
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if ended.best_config is not None:
        put(json.dumps(ended.best_config.model_dump(mode="json", exclude_defaults=True), indent=1, ensure_ascii=False))
        say(f"best {ended.monitor} {ended.best_value:.4f} on validation texts, run {ended.best_run_id}")
        say(f"as options: {_as_options(ended.best_config)}")
    if ended.done < ended.wanted:
        say(f"{ended.done} of {ended.wanted} trials done; 'python -m dmlviz tune --name {name}' goes on")
    return 130 if asked else 0 if ended.done >= ended.wanted and ended.best_config is not None else 1


def _as_options(config: RunConfig) -> str:
    """'train --dataset r8 --loss g_loss --set lr=2e-05 ...': what differs from the defaults."""
    fields = config.model_dump(mode="json", exclude_defaults=True, exclude={"dataset", "loss", "loss_settings", "dataset_hash"})
    pairs = {**fields, **{f"loss.{key}": value for key, value in config.loss_settings.items()}}
    words = ["train", "--dataset", config.dataset, "--loss", config.loss]
    words += [word for key, value in pairs.items() for word in ("--set", f"{key}={'none' if value is None else plain(value)}")]
    return shlex.join(words)


def _train_protocol(
    store: Store, protocol: Protocol, datasets: list[str] | None, losses: list[str] | None, encoder: str | None, fields: dict[str, Any],
    limit: int | None,
) -> int:  # fmt: skip
    """Queue the protocol's runs; all are checked before the first is written."""
    from dmlviz.core.wording import count_of
    from dmlviz.jobs.submit import checked_config, submit
    from dmlviz.papers import configs

    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit} was given; give 1 or more")
    found = configs(protocol, datasets=datasets, losses=losses, encoder=encoder, limit=limit, overrides=fields)
    wanted = [checked_config(one) for one in found]
    texts = {one.dataset: _texts(store, one) for one in {one.dataset: one for one in wanted}.values()}
    ids = []
    for one in wanted:
        ids.append(submit(one, store=store, dataset=texts[one.dataset]))
        put(ids[-1])
    say(f"{count_of(len(ids), 'run')} queued; 'python -m dmlviz papers {protocol.name} --runs all' sets those that are finished beside the paper")
    return 0


# ---- following a run


def _texts(
    store: Store, config: RunConfig, text: str | None = None, label: str | None = None, text_pair: str | None = None, encoding: str | None = None
) -> TextDataset:  # fmt: skip
    """The texts, with what their reader noticed said. A config that names their hash gets those very texts or a sentence."""
    from dmlviz.data import load_dataset
    from dmlviz.jobs.submit import stored_texts

    wanted = config.dataset_hash
    if wanted and (store.datasets_folder / f"{wanted}.parquet").is_file():
        return stored_texts(store, config.dataset, wanted)
    dataset = load_dataset(config.dataset, home=store.home, text=text, label=label, text_pair=text_pair, encoding=encoding)
    if wanted and dataset.content_hash != wanted:
        raise InputError(f"the texts of {config.dataset} are not those the config was written for; take dataset_hash out of it to use them")
    notes(dataset.notes)
    return dataset


def _follow(store: Store, run_id: str, detach: bool) -> int:
    """Print the id, then say how far the run is until it ends."""
    put(run_id)
    notes(store.split(run_id).notes)
    if detach:
        return 0
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: asked.append(1))
    try:
        run = _wait(store, run_id, asked)
    finally:
        signal.signal(signal.SIGINT, before)
    if run.state == "finished":
        accuracy = f"finished: {100 * run.metrics['accuracy']:.1f} % accuracy, single run" if "accuracy" in run.metrics else "finished"
        say("; ".join([accuracy, *([f"predicted by {why}"] if (why := run.facts.get("readout_why")) else [])]))
        say(load_line(run, readout=False))
    else:
        say(run.message or f"run {run_id} is {run.state}; 'python -m dmlviz resume {run_id}' goes on")
    return 130 if asked else 0 if run.state == "finished" else 1


def _wait(store: Store, run_id: str, asked: Sequence[int] = ()) -> Run:
    """Until the run has ended; a line on stderr whenever something has changed. `asked` fills up with every Ctrl-C: the first asks for the end."""
    engine, said, looks, told = LocalEngine(store), "", 0, False
    while (run := store.run(run_id)).state in ACTIVE_STATES:
        if asked and not told:
            told = True
            with contextlib.suppress(InputError):  # it has just ended by itself
                engine.cancel(run_id)
        line = progress_line(run, store)
        if line != said:
            say(line)
        said, looks = line, looks + 1
        if looks % POLL_LOOKS == 0:
            engine.poll()
        time.sleep(LOOK_SECONDS)
    return run


def progress_line(run: Run, store: Store) -> str:
    """'training: 12 of 40 steps, loss 0.31, about 20 s left'."""
    if run.state != "running":
        return {"queued": "queued: waiting for a free slot", "cancelling": "cancelling: writing a checkpoint"}[run.state]
    at, losses = run.progress, []
    if at.phase == "training":
        losses = [row["loss"] for row in store.events(run.id) if row.get("kind") == "step" and "loss" in row]
    parts = [f"{at.done:,} of {at.total:,} {at.unit}s"] if at.total > 1 else []
    parts += [f"loss {losses[-1]:.4g}"] if losses else []
    parts += [f"about {at.eta_seconds:.0f} s left"] if at.eta_seconds else []
    return f"{at.phase}: {', '.join(parts)}" if parts else at.phase


ORDER = ("serve", "datasets", "train", "sweep", "sweeps", "tune", "papers", "load", "runs", "show", "verify", "cancel", "resume", "delete",
         "attribute", "figure", "table", "bundle", "rebuild", "retrain", "check")  # fmt: skip
app.registered_commands.sort(key=lambda command: ORDER.index(command.callback.__name__))  # of the work, not of the files


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; a person's mistake becomes one sentence."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter must not end a command
    try:
        return app(args=argv, standalone_mode=False, prog_name="python -m dmlviz") or 0
    except InputError as error:
        say(str(error))
    except ValidationError as error:
        say(validation_sentence(error))
    except UsageError as error:
        say(error.format_message())
    except BrokenPipeError:  # the reader of a pipe has gone; nothing is left to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        say(f"a file could not be read or written ({error.strerror or error}: {error.filename}); check the disk space and the rights")
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:  # the last door: a person sees a sentence, a file has the rest
        say(f"this command stopped with {type(error).__name__}, which is a fault of DMLViz; {_kept_traceback()} has the details, please report it")
        return 1
    return 2


def run() -> None:
    """The console script `dmlviz`."""
    sys.exit(main())


def _kept_traceback() -> str:
    """The file that the traceback of the error at hand was written to."""
    with tempfile.NamedTemporaryFile("w", prefix="dmlviz-error-", suffix=".txt", delete=False, encoding="utf-8") as file:
        traceback.print_exc(file=file)
    return file.name
