"""The figures that somebody has put aside for a paper, kept in the home, so that a reload or another browser finds them again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from dmlviz.core.types import FigureSpec, InputError, SheetSpec
from dmlviz.figures import FIGURES
from dmlviz.store.damage import reading
from dmlviz.store.files import atomic_json, file_lock, read_json
from dmlviz.training.config_input import read_yaml

MEND = "copy it back from a backup, or set it aside and add the figures anew"
MOST = 60
LOCK_SECONDS = 5.0


def tray(home: Path) -> list[SheetSpec]:
    """In order; [] where there is none. Raises DamagedError for a file that cannot be read."""
    path = _path(home)
    if not path.exists():
        return []
    with reading(path, "the Figures page", MEND):
        return _kept(read_json(path)["sheets"])


def change_tray(home: Path, change: Callable[[list[SheetSpec]], Iterable[SheetSpec]]) -> list[SheetSpec]:
    """Replace the tray by what `change` makes of it, while nobody else does; returns it. Raises InputError for more than MOST figures."""
    path = _path(home)
    with file_lock(path.with_name("tray.lock"), wait=LOCK_SECONDS) as held:
        if not held:
            raise InputError("the tray is being changed by another process; try again in a moment")
        made = [SheetSpec.model_validate(one.model_dump()) for one in change(tray(home))]  # a copy that was updated is not checked yet
        if len(made) > MOST:
            raise InputError(f"the tray holds {MOST} figures, which is the most; remove some first")
        atomic_json(path, {"sheets": [one.model_dump(mode="json", exclude_defaults=True) for one in made]})
    return made


def set_aside(home: Path) -> Path:
    """Give a tray that cannot be read another name beside it, so that a new one can be begun. Returns the name."""
    path = _path(home)
    away = path.with_name(time.strftime("tray-damaged-%Y%m%d-%H%M%S.json"))
    path.rename(away)
    return away


def read_tray(path: Path) -> list[SheetSpec]:
    """A tray that somebody wrote: YAML or JSON, a list of figures, or {"sheets": [...]} as the home keeps it.

    A figure has `panels`, or is one panel: {name: manifold, run_ids: [...], options: {...}, preset: acl-column}. InputError for what is neither.
    """
    try:
        found = read_yaml(path.read_text(encoding="utf-8-sig"), f"the tray {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the tray {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    found = found.get("sheets") if isinstance(found, dict) and "sheets" in found else found
    if not isinstance(found, list) or not found:
        raise InputError(f"the tray {path} holds no list of figures; write one as - {{name: manifold, run_ids: [ID]}}")
    try:
        return _sheets(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"the tray {path} is not understood at {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except TypeError as error:
        raise InputError(f"the tray {path} is not understood: {error}") from None


def tray_text(sheets: Sequence[SheetSpec]) -> str:
    """As `read_tray` takes it."""
    return json.dumps({"sheets": [one.model_dump(mode="json", exclude_defaults=True) for one in sheets]}, indent=1, ensure_ascii=False)


def _sheets(found: Sequence[object]) -> list[SheetSpec]:
    made = []
    for one in found:
        if not isinstance(one, dict):
            raise TypeError(f"a figure is a mapping, and {str(one)[:40]!r} is none")
        if "panels" in one:
            made.append(_known(SheetSpec.model_validate(one)))
            continue
        panel = FigureSpec.model_validate({key: value for key, value in one.items() if key in FigureSpec.model_fields})
        rest = {key: value for key, value in one.items() if key not in FigureSpec.model_fields or key in ("preset", "title")}
        made.append(_known(SheetSpec.model_validate({**rest, "panels": (panel,)})))
    return made


def _kept(found: Sequence[object]) -> list[SheetSpec]:
    """As `_sheets`; a figure that is not known here means that the file is not ours. Raises ValueError then."""
    try:
        return _sheets(found)
    except InputError as error:
        raise ValueError(str(error)) from error


def _known(sheet: SheetSpec) -> SheetSpec:
    """InputError for a figure that does not exist, or one without a run."""
    for panel in sheet.panels:
        if panel.name not in FIGURES:
            raise InputError(f"the tray names the figure {panel.name[:40]!r}, which is not known; known: {', '.join(FIGURES)}")
        if not panel.run_ids:
            raise InputError(f"the tray's figure {panel.name} names no run; give it run_ids: [ID, ID]")
    return sheet


def _path(home: Path) -> Path:
    return Path(home) / "tray.json"
