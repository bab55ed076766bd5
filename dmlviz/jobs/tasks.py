"""Work that a page asks for and a process of its own does: maps with other settings than a run's own, and attributions of words.
`python -m dmlviz.jobs.tasks --home HOME`.

A ticket is a folder, <home>/desk/<id>/ with request.json and status.json; its id is the hash of the request, so asking twice asks once. One worker
per home (a file lock) takes the tickets in order (typed sentences first: somebody waits), keeps what it has imported, compiled and loaded for the
next one, and leaves after some idle minutes. Maps cannot be asked to stop, so to cancel is to end the worker; the next look at the page starts
another. Attributions are stored in parts, so that what was done stays.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.analysis.attribution.kind import read_kind as read_attribution_kind
from dmlviz.analysis.map_kinds import MapKind, damaged_maps, missing_maps, read_kind
from dmlviz.core.types import InputError, TokenAttribution
from dmlviz.jobs.local import Waking, child_environment
from dmlviz.store.attributions import read_attributions, stored_rows, stored_sanity, write_attributions
from dmlviz.store.files import atomic_json, file_lock, lock_is_held, read_json, remove_folder
from dmlviz.store.runs import Store

if TYPE_CHECKING:
    from dmlviz.explain.jobs import Models

IDLE_SECONDS = 300.0
LOOK_SECONDS, WRITE_SECONDS = 0.2, 0.4
LOCK_SECONDS = 1.0  # whoever only asks whether a worker lives holds the lock for a moment
MOST_TRIES = 2
LOG = "desk/log.txt in the home folder"
WORKERS = Waking()
KEPT_ANSWERS = 40  # typed sentences whose answers stay
TicketState = Literal["waiting", "working", "done", "failed", "cancelled"]
Task = Literal["typed", "map", "sanity", "attributions"]
ORDER: tuple[Task, ...] = ("typed", "map", "sanity", "attributions")  # whoever waits before a picture first
NAMES: dict[Task, str] = {"typed": "the attribution", "map": "the map", "sanity": "the sanity checks",
                         "attributions": "the attributions"}  # fmt: skip
OUT_OF_MEMORY: dict[Task, str] = {
    "typed": "the machine ran out of memory; shorten the text, or compare fewer runs",
    "map": "the machine ran out of memory; show fewer texts, or look at the PCA",
    "sanity": "the machine ran out of memory; compare fewer runs",
    "attributions": "the machine ran out of memory; what was done is kept, so ask again when less runs beside it",
}


class Ticket(NamedTuple):
    """A piece of work that was asked for."""

    id: str
    state: TicketState
    share: float  # of the work that is done, 0..1
    began: float | None  # seconds since 1970
    message: str  # the sentence of a failure
    run_ids: tuple[str, ...]
    task: Task
    kind: str  # of map, as map_kinds.read_kind reads it; of attributions, as attribution.kind.read_kind does
    request: Mapping[str, Any]  # "rows" of attributions; "text" and "pair" of a typed sentence
    tries: int = 0  # how often a process has begun with it

    @property
    def open(self) -> bool:
        return self.state in ("waiting", "working")


# ---- what pages call


def ask_for_maps(store: Store, run_ids: Sequence[str], kind: MapKind) -> list[Ticket]:
    """Ask for the maps of this kind that are not stored. Maps with a common start are made together, the others one run at a time.

    Raises InputError for runs that cannot have them. A ticket that failed or was cancelled is asked for again.
    """
    wanted = missing_maps(store, run_ids, kind)
    groups = [tuple(run_ids)] if wanted and kind.together else [(run_id,) for run_id in wanted]
    for group in groups:
        _ask(store, group, "map", str(kind))
    if groups:
        wake(store)
    return tickets(store, run_ids, kind)


def mend_maps(store: Store, run_ids: Sequence[str], kind: MapKind) -> list[str]:
    """Make the stored maps again that cannot be read, in this process. Returns the ids of their runs."""
    damaged = damaged_maps(store, run_ids, kind)
    for group in [tuple(run_ids)] if damaged and kind.together else [(run_id,) for run_id in damaged]:
        make_maps(store, group, kind)
    return damaged


def tickets(store: Store, run_ids: Sequence[str], kind: MapKind) -> list[Ticket]:
    """What was asked for and is not done, of these runs and this kind of map."""
    groups = [tuple(run_ids)] if kind.together else [(run_id,) for run_id in run_ids]
    found = [_ticket(store, _id(group, "map", str(kind))) for group in groups]
    return [one for one in found if one is not None and one.state != "done"]


def ask_for_attributions(store: Store, run_ids: Sequence[str], kind: AttributionKind, rows: Sequence[int]) -> Ticket | None:
    """Ask for the attributions of these texts that are not stored; None when all are there. A ticket that ended is asked for again."""
    rows = sorted({int(row) for row in rows})
    if all(set(rows) <= stored_rows(store, run_id, str(kind)) for run_id in run_ids):
        return None
    ticket_id = _ask(store, run_ids, "attributions", str(kind), rows=rows)
    wake(store)
    return _ticket(store, ticket_id)


def ask_for_sanity(store: Store, run_ids: Sequence[str], kind: AttributionKind, rows: Sequence[int]) -> Ticket | None:
    """Ask for the sanity checks of these runs on these texts; None when all have them."""
    if all(stored_sanity(store, run_id, str(kind)) is not None for run_id in run_ids):
        return None
    ticket_id = _ask(store, run_ids, "sanity", str(kind), rows=[int(row) for row in rows])
    wake(store)
    return _ticket(store, ticket_id)


def attribution_tickets(store: Store, run_ids: Sequence[str], task: Task = "attributions") -> list[Ticket]:
    """Jobs of attributions (or sanity checks), not done, that some of these runs take part in."""
    return [one for one in all_tickets(store) if one.task == task and one.state != "done" and set(one.run_ids) & set(run_ids)]


def ask_typed(
    store: Store, run_ids: Sequence[str], kind: AttributionKind, text: str, pair: str | None = None, *, row: int | None = None, again: bool = False
) -> Ticket:
    """Ask why these runs label a text as they do: a typed one, or the data set's at `row`, whose attributions are stored then.

    Pages call this at every redraw, so what was answered, failed or was cancelled is asked for again only with `again`: when a person wants it.
    """
    asked = {"text": text, "pair": pair, "row": row}
    old = _ticket(store, ticket_id := _id(run_ids, "typed", str(kind), **asked))
    if again or old is None or (old.state == "done" and not _answer_in(_folder(store, ticket_id))):
        _ask(store, run_ids, "typed", str(kind), **asked)
        _tidy(store)
    poll(store)
    ticket = _ticket(store, ticket_id)
    if ticket is None:
        raise InputError("the question was removed while it was asked; ask it again")
    return ticket


def typed_ticket(store: Store, ticket_id: str) -> Ticket | None:
    """The ticket of a typed sentence; None where it is forgotten."""
    ticket = _ticket(store, ticket_id) if ticket_id.isalnum() else None
    return ticket if ticket is not None and ticket.task == "typed" else None


def typed_answer(store: Store, ticket_id: str) -> dict[str, TokenAttribution | str]:
    """Run id -> attribution, or the sentence why there is none; empty while the ticket is open."""
    if typed_ticket(store, ticket_id) is None:
        return {}
    return _answer_in(_folder(store, ticket_id))


def _answer_in(folder: Path) -> dict[str, TokenAttribution | str]:
    """Empty where there is none, or it cannot be read: then it is asked for again."""
    try:
        said = read_json(folder / "answer.json")
        return {run_id: str(sentence) or read_attributions(folder / f"{run_id}.parquet")[0] for run_id, sentence in said.items()}
    except (OSError, ValueError, AttributeError, IndexError):  # DamagedError is a ValueError, too
        return {}


def cancel(store: Store, ticket_id: str) -> None:
    """Wish the end of a ticket; the worker hears it at once."""
    folder = _folder(store, ticket_id)
    if folder.is_dir():
        (folder / "cancel").touch()
        if not worker_lives(store):  # nobody would hear it
            _tell(folder, state="cancelled")


def poll(store: Store) -> None:
    """See to it that somebody works while tickets are open. Where every process ends at once, the tickets fail and say so."""
    waiting = [one for one in all_tickets(store) if one.open]
    if not waiting:
        return
    WORKERS.see_to(store.home, lambda: worker_lives(store), lambda: wake(store))
    if WORKERS.given_up(store.home):
        for one in waiting:
            _tell(_folder(store, one.id), state="failed", message=f"{NAMES[one.task]} could not be begun: its process ends at once; {LOG} says why")


def all_tickets(store: Store) -> list[Ticket]:
    """In the order they were asked for."""
    folders = sorted(store.home.glob("desk/*/request.json"), key=lambda path: path.stat().st_mtime)
    return [one for one in (_ticket(store, path.parent.name) for path in folders) if one is not None]


def wake(store: Store) -> None:
    """Start a worker, in a session of its own; a second one leaves by itself."""
    (store.home / "desk").mkdir(parents=True, exist_ok=True)
    with open(store.home / "desk" / "log.txt", "ab") as out:
        subprocess.Popen(
            [sys.executable, "-m", "dmlviz.jobs.tasks", "--home", str(store.home)],
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, env=child_environment(),
        )  # fmt: skip


def worker_lives(store: Store) -> bool:
    return lock_is_held(_lock(store))


# ---- tickets on disk


def _folder(store: Store, ticket_id: str) -> Path:
    return store.home / "desk" / ticket_id


def _id(run_ids: Sequence[str], task: Task, kind: str, **more: Any) -> str:
    asked = [list(run_ids), kind] if task == "map" else [list(run_ids), task, kind, more]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _ask(store: Store, run_ids: Sequence[str], task: Task, kind: str, **more: Any) -> str:
    """Write the ticket, unless it is open. Returns its id."""
    for run_id in run_ids:
        store.folder(run_id)  # there is such a run
    ticket_id = _id(run_ids, task, kind, **more)
    folder, old = _folder(store, ticket_id), _ticket(store, ticket_id)
    if old is not None and old.open:
        return ticket_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cancel").unlink(missing_ok=True)
    (folder / "answer.json").unlink(missing_ok=True)
    WORKERS.forget(store.home)
    atomic_json(folder / "status.json", {"state": "waiting", "share": 0.0})
    atomic_json(folder / "request.json", {"run_ids": list(run_ids), "task": task, "kind": kind, **more})
    return ticket_id


def _ticket(store: Store, ticket_id: str) -> Ticket | None:
    folder = _folder(store, ticket_id)
    try:
        request, status = read_json(folder / "request.json"), read_json(folder / "status.json")
        return Ticket(
            ticket_id, status["state"], float(status.get("share", 0)), status.get("began"), str(status.get("message", "")),
            tuple(request["run_ids"]), request["task"], str(request["kind"]), request, int(status.get("tries", 0)),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tidy(store: Store) -> None:
    """Forget the oldest answers to typed sentences."""
    answered = [one for one in all_tickets(store) if one.task == "typed" and not one.open]
    for one in answered[:-KEPT_ANSWERS]:
        with contextlib.suppress(OSError):  # another page was first
            remove_folder(_folder(store, one.id))


def _tell(folder: Path, **fields: Any) -> None:
    with contextlib.suppress(OSError):  # the folder was deleted: nobody is waiting
        atomic_json(folder / "status.json", {**read_json(folder / "status.json"), **fields})


def _worker_lock(store: Store, *, wait: float = 0.0) -> AbstractContextManager[bool]:
    return file_lock(_lock(store), wait=wait)


def _lock(store: Store) -> Path:
    return store.home / "desk" / "worker.lock"


# ---- the worker


def work(store: Store, *, idle: float = IDLE_SECONDS) -> None:
    """Take tickets until none has come for `idle` seconds."""
    with _worker_lock(store, wait=LOCK_SECONDS) as mine:
        if not mine:
            return
        last, keep = time.monotonic(), Kept(store)
        while time.monotonic() - last < idle:
            ticket = next_ticket(store)
            if ticket is None:
                time.sleep(LOOK_SECONDS)
                continue
            _serve(store, ticket, keep)
            last = time.monotonic()


def next_ticket(store: Store, tasks: Sequence[Task] = ORDER) -> Ticket | None:
    """The open ticket that is served next."""
    waiting = [one for one in all_tickets(store) if one.open and one.task in tasks]
    return min(waiting, key=lambda one: ORDER.index(one.task), default=None)


class Kept:
    """What the worker keeps between tickets: loaded models, from the first attribution on."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def models(self) -> Models:
        from dmlviz.explain.jobs import Models

        return Models(self.store)


def _serve(store: Store, ticket: Ticket, keep: Kept) -> None:
    """One ticket, to one of its ends. One that ended its process MOST_TRIES times is not tried again by itself."""
    folder, over = _folder(store, ticket.id), threading.Event()
    if ticket.tries >= MOST_TRIES:
        told = f"{NAMES[ticket.task]} could not be made: its process ended without a word {MOST_TRIES} times (killed, or out of memory)"
        return _tell(folder, state="failed", message=told)
    _tell(folder, state="working", share=0.0, began=time.time(), message="", tries=ticket.tries + 1)
    ending = threading.Lock()

    def listen() -> None:
        while not over.wait(LOOK_SECONDS):
            if (folder / "cancel").exists() or not folder.is_dir():
                with ending:
                    if not over.is_set():
                        _tell(folder, state="cancelled")
                        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    told = [0.0]

    def on_progress(share: float) -> None:
        if time.monotonic() - told[0] > WRITE_SECONDS:
            told[0] = time.monotonic()
            _tell(folder, share=round(min(share, 1.0), 3))

    end: Mapping[str, Any]
    try:
        _work_on(store, ticket, keep, on_progress)
        end = {"state": "done", "share": 1.0}
    except InputError as error:
        end = {"state": "failed", "message": str(error)}
    except MemoryError:
        end = {"state": "failed", "message": OUT_OF_MEMORY[ticket.task]}
    except Exception as error:  # the last door: a person sees a sentence, the log has the rest
        import traceback

        traceback.print_exc()
        end = {"state": "failed", "message": f"{NAMES[ticket.task]} could not be made ({type(error).__name__}); {LOG} has the details"}
    with ending:
        over.set()
        _tell(folder, **end)


def _work_on(store: Store, ticket: Ticket, keep: Kept, on_progress: Callable[[float], None]) -> None:
    if ticket.task == "map":
        return make_maps(store, ticket.run_ids, read_kind(ticket.kind), on_progress)
    from dmlviz.explain.jobs import check_sanity, explain_rows, explain_typed

    kind = read_attribution_kind(ticket.kind)
    if ticket.task == "typed":
        asked = {name: ticket.request.get(name) for name in ("text", "pair", "row")}
        return _answer(_folder(store, ticket.id), explain_typed(keep.models, ticket.run_ids, kind=kind, **asked))

    def typed_first() -> None:
        while (waiting := next_ticket(store, ("typed",))) is not None:
            _serve(store, waiting, keep)

    job = check_sanity if ticket.task == "sanity" else explain_rows
    return job(keep.models, ticket.run_ids, ticket.request["rows"], kind, on_progress=on_progress, between=typed_first)


def _answer(folder: Path, found: Mapping[str, TokenAttribution | str]) -> None:
    for run_id, one in found.items():
        if not isinstance(one, str):
            write_attributions(folder / f"{run_id}.parquet", [one])
    atomic_json(folder / "answer.json", {run_id: one if isinstance(one, str) else "" for run_id, one in found.items()})


def make_maps(store: Store, run_ids: Sequence[str], kind: MapKind, on_progress: Callable[[float], None] = lambda share: None) -> None:
    """Compute and store the maps of this kind; those of `run_ids` together where they start or are laid out together."""
    from dmlviz.analysis.geometry.projection import aligned, common_start, project

    arrays = [store.arrays(run_id) for run_id in run_ids]
    row_ids = arrays[0].row_ids
    settings = dict(kind.settings)
    common = {"metric": kind.metric, "dims": kind.dims, "seed": kind.seed, "settings": settings}
    if kind.start == "aligned":
        blocks = [one.embeddings for one in arrays]
        made = aligned(blocks, row_ids, shared_with=tuple(run_ids), on_progress=on_progress, **common)
        for run_id, one in zip(run_ids, made, strict=True):
            store.save_projection(run_id, one)
        return
    start = None
    if kind.start == "common":
        start = common_start([one.embeddings for one in arrays], metric=kind.metric, dims=kind.dims, seed=kind.seed)
    for i, (run_id, one) in enumerate(zip(run_ids, arrays, strict=True)):
        shared = {"start": start, "shared_with": tuple(run_ids)} if start is not None else {}
        part = lambda share, i=i: on_progress((i + share) / len(run_ids))  # noqa: E731
        store.save_projection(run_id, project(one.embeddings, one.row_ids, method=kind.method, on_progress=part, **shared, **common))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", required=True)
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds without a ticket after which it leaves")
    options = parser.parse_args()
    logging.basicConfig()
    logging.getLogger("dmlviz").setLevel(logging.DEBUG)  # into desk/log.txt
    work(Store(options.home), idle=options.idle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
