"""What a data set or an encoder is called where others read it: never the folder that it lies in, which tells whose machine it was."""

from __future__ import annotations

import re
from pathlib import Path

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w.-]+)?")
OF_FILES = re.compile(r"\.(csv|tsv|tab|jsonl?|ndjson|parquet|txt|xlsx|gz)$", re.IGNORECASE)


def place_name(ref: str) -> str:
    """A catalogue name or Hub id as it is; of a path its last part."""
    told = ref.strip().rstrip("/\\")
    if HUB_ID.fullmatch(told) and not OF_FILES.search(told) and not Path(told).exists():
        return told
    return re.split(r"[/\\]", told)[-1] or "without a name"
