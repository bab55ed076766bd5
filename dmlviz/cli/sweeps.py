"""The commands `sweep` and `sweeps`. Importing this adds them to the app."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmlviz.cli.app import AsJson, Detach, Encoding, Home, LabelColumn, PairColumn, TextColumn, app, option
from dmlviz.cli.output import notes, put, say, table
from dmlviz.core.types import InputError
from dmlviz.store.runs import Store

if TYPE_CHECKING:
    from dmlviz.core.types import TextDataset


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="YAML: datasets, losses, shots, support_seeds, seeds and fields that all runs share")],
    engine: option(str | None, "--engine", "local, or ray (extra 'ray')") = None,
    slots: option(int | None, "--slots", "runs at once; with ray on each node") = None,
    address: option(str | None, "--address", "ray: the cluster's address, as ray.init takes it; default: this machine alone") = None,
    cpus: option(float | None, "--cpus", "ray: cores per run") = None,
    gpus: option(float | None, "--gpus", "ray: share of a GPU per run") = None,
    synced: option(bool, "--synced", "ray: nodes do not see the home; each run's folder is sent back when it ends") = False,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    pair_column: PairColumn = None,
    encoding: Encoding = None,
    dry: option(bool, "--dry-run", "say what would run, and what it takes") = False,
    detach: Detach = False,
    home: Home = None,
) -> int:
    """Run losses x shots x draws x seeds unattended; prints the sweep's name. The same file again makes what is missing."""
    from dmlviz.cli.sweep_output import follow_sweep, sweep_words
    from dmlviz.jobs.sweep import cost_of, make_plan, start
    from dmlviz.jobs.sweep_spec import parse_sweep
    from dmlviz.store.sweeps import read_sweep

    try:
        spec = parse_sweep(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the sweep {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    asked = {"engine": engine, "slots": slots}
    spec = type(spec).model_validate({**spec.model_dump(), **{name: value for name, value in asked.items() if value is not None}})
    if spec.engine != "ray" and any((address, cpus, gpus, synced)):
        raise InputError("--address, --cpus, --gpus and --synced belong to --engine ray; add it, or leave them out")
    if spec.engine == "ray":
        if detach:
            raise InputError("--detach is for the local engine; the process that started a sweep on Ray feeds it")
        from dmlviz.jobs.ray_engine import check_ray

        check_ray()
    store = Store(home)
    chosen = {"text": text_column, "label": label_column, "text_pair": pair_column, "encoding": encoding}
    plan = make_plan(spec, store, load=lambda ref: _read(ref, store, chosen))
    cost = cost_of(plan, store)
    say(sweep_words(cost))
    if dry:
        return 0
    name = start(plan, store, on_progress=lambda done, total: say(f"{total:,} runs are written down") if done == total else None)
    put(name)
    if spec.engine == "ray":
        from dmlviz.jobs.ray_engine import RayEngine

        RayEngine(store, address=address, cpus=cpus, gpus=gpus, slots=spec.slots, synced=synced).run(read_sweep(store, name).run_ids, say)
    return 0 if detach else follow_sweep(store, name)


def _read(ref: str, store: Store, chosen: dict[str, str | None]) -> TextDataset:
    """The texts, with what their reader noticed said. Columns are chosen for own files; the catalogue knows its own."""
    from dmlviz.data import CATALOGUE, load_dataset

    texts = load_dataset(ref, home=store.home, **({} if ref.strip().lower() in CATALOGUE else chosen))
    notes(texts.notes)
    return texts


@app.command()
def sweeps(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="a sweep, as `sweeps` lists it")] = None,
    do: option(str | None, "--do", "pause, resume, cancel or delete (its runs stay)") = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Sweeps of this home, or the runs of one."""
    from dmlviz.cli.sweep_output import state_words, sweep_facts
    from dmlviz.jobs.sweep import cancel_sweep, delete_sweep, pause_sweep, resume_sweep, sweep_state
    from dmlviz.store.sweeps import damaged_sweeps
    from dmlviz.store.sweeps import sweeps as all_sweeps

    store, acts = Store(home), {"pause": pause_sweep, "resume": resume_sweep, "cancel": cancel_sweep, "delete": delete_sweep}
    if do is not None:
        if do not in acts or name is None:
            raise InputError(f"--do {do!r} is not understood; name a sweep and one of {', '.join(acts)}")
        acts[do](store, name)
        say(f"sweep {name}: {do} is done")
        return 0
    if name is None:
        found = [sweep_state(store, one.name) for one in all_sweeps(store)]
        for sentence in damaged_sweeps(store).values():
            say(sentence)
        if as_json:
            put(json.dumps([sweep_facts(one) for one in found], indent=1, ensure_ascii=False))
        else:
            table(("SWEEP", "RUNS", "FINISHED", "STATE"), [(one.sweep.name, str(len(one.runs)), str(one.counts.get("finished", 0)), state_words(one))
                                                           for one in found])  # fmt: skip
        return 0
    state = sweep_state(store, name)
    if as_json:
        put(json.dumps(sweep_facts(state), indent=1, ensure_ascii=False))
        return 0
    say(state_words(state))
    both = zip(state.sweep.run_ids, state.runs, strict=True)
    rows = [(run_id, run.state if run else "missing", run.message if run else "") for run_id, run in both]
    table(("RUN", "STATE", "MESSAGE"), rows)
    return 0
