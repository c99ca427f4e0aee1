"""A ranking is made again when what it was made of has changed."""

import numpy as np
import pytest

from getmore_assets.config import Selector
from getmore_assets.defs.rankings import imported_version
from getmore_assets.errors import BadInput


def selector(**fields):
    return Selector.model_validate({"selector": "imported", "imported": fields})


def test_index_arrays_have_a_version(tmp_path):
    path = tmp_path / "chosen.npy"
    np.save(path, np.array([3, 0]))
    chosen = selector(path=str(path))
    (first,) = imported_version(chosen)
    race = Selector.model_validate({"selector": "race", "entrants": ["knn", chosen.model_dump(exclude_unset=True)]})
    assert imported_version(race) == [first]
    np.save(path, np.array([3, 1]))
    assert imported_version(chosen) != [first]
    path.unlink()
    with pytest.raises(BadInput, match=r"chosen\.npy: no such file"):
        imported_version(chosen)
