"""A bundle made in a process of its own, so that the web process neither waits nor grows. Its folder under bundles/ is the truth."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from dmlviz.core.types import InputError, SheetSpec
from dmlviz.export.tray import read_tray, tray_text
from dmlviz.jobs.local import child_environment
from dmlviz.store.files import atomic_json, file_lock, process_lives, read_json, remove_folder

NAME = re.compile(r"[0-9]{8}-[0-9]{6}(-[0-9]+)?")
SHOWN = 6  # bundles that are listed


class Bundle(NamedTuple):
    """One that was asked for."""

    name: str
    state: str  # "running", "finished", "failed"
    lines: tuple[str, ...]  # what its process has said
    zip_path: Path | None


def start_bundle(home: Path, sheets: list[SheetSpec], *, with_texts: bool = False) -> str:
    """Make a bundle of these figures; returns its name. Raises InputError for none, or while another is being made."""
    if not sheets:
        raise InputError("the tray is empty; add figures first")
    with file_lock(_folder(home) / "start.lock", wait=5.0) as held:
        if not held or any(one.state == "running" for one in bundles(home)):
            raise InputError("a bundle is being made already; wait until it is there, or cancel it")
        return _started(home, sheets, with_texts)


def retry_bundle(home: Path, name: str) -> str:
    """Make one that failed once more, of the figures it was asked for then; the failed one is removed. Returns the new name."""
    folder = _folder(home) / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        raise InputError(f"no bundle is called {name[:40]!r}")
    try:
        with_texts = bool(read_json(folder / "request.json")["with_texts"])
    except (OSError, ValueError, KeyError, TypeError):
        with_texts = False  # never more leaves than was asked for
    made = start_bundle(home, read_tray(folder / "tray.json"), with_texts=with_texts)
    delete_bundle(home, name)
    return made


def cancel_bundle(home: Path, name: str) -> None:
    """End its process; what it has written so far is deleted. One that has ended already is no error."""
    folder = _folder(home) / name
    if NAME.fullmatch(name) and _alive(folder):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(read_json(folder / "process.json")["pid"])
            for one in (*process.children(recursive=True), process):
                one.kill()
            process.wait(10)
    delete_bundle(home, name)


def delete_bundle(home: Path, name: str) -> None:
    """Remove it and its files. InputError while it is being made."""
    folder = _folder(home) / name
    if not NAME.fullmatch(name):
        raise InputError(f"no bundle is called {name[:40]!r}")
    if _alive(folder):
        raise InputError("the bundle is still being made; cancel it first")
    if folder.is_dir():
        remove_folder(folder)


def _started(home: Path, sheets: list[SheetSpec], with_texts: bool) -> str:
    name = _fresh(home)
    folder = _folder(home) / name
    (folder / "tray.json").write_text(tray_text(sheets), encoding="utf-8")
    atomic_json(folder / "request.json", {"with_texts": with_texts})
    command = [sys.executable, "-m", "dmlviz", "bundle", "--tray", str(folder / "tray.json"), "--out", str(folder / f"dmlviz-{name}"), "--zip",
               "--home", str(home), *(["--with-texts"] if with_texts else [])]  # fmt: skip
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
                                   env=child_environment())  # fmt: skip
    atomic_json(folder / "process.json", {"pid": process.pid, "started": psutil.Process(process.pid).create_time()})
    threading.Thread(target=process.wait, daemon=True).start()  # only now: its end is noted at once, and no dead process stays behind
    return name


def bundles(home: Path) -> list[Bundle]:
    """Newest first."""
    folder = _folder(home)
    names = sorted((path.name for path in folder.iterdir() if NAME.fullmatch(path.name)), reverse=True) if folder.is_dir() else []
    return [_bundle(folder / name) for name in names[:SHOWN]]


def _bundle(folder: Path) -> Bundle:
    made = folder / f"dmlviz-{folder.name}.zip"
    log = folder / "log.txt"
    lines = tuple(log.read_text(encoding="utf-8", errors="replace").splitlines()) if log.is_file() else ()
    if _alive(folder):  # first: a zip that is there may still be growing
        return Bundle(folder.name, "running", lines, None)
    return Bundle(folder.name, "finished", lines, made) if made.is_file() else Bundle(folder.name, "failed", lines, None)


def _alive(folder: Path) -> bool:
    try:
        known = read_json(folder / "process.json")
        return process_lives(known["pid"], known["started"])
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return False


def _folder(home: Path) -> Path:
    return Path(home) / "bundles"


def _fresh(home: Path) -> str:
    """A name that nobody else has taken: the folder is made with it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for name in (stamp, *(f"{stamp}-{i}" for i in range(2, 100))):
        try:
            (_folder(home) / name).mkdir(parents=True)
            return name
        except FileExistsError:
            continue
    raise InputError("too many bundles were asked for in one second; try again")
