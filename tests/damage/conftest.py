"""The home whose copies are damaged."""

from __future__ import annotations

import pytest
from damage_cases import Home, make_home


@pytest.fixture(scope="session")
def whole_home(tmp_path_factory, tiny_encoder, tiny_csv) -> Home:
    """One of everything. Not to be changed: take a copy."""
    return make_home(tmp_path_factory.mktemp("damage"), tiny_encoder, tiny_csv)
