"""Damaged files of every format are read or refused; `python -m tests.drives.fuzz_readers` tries 2,000."""

import pytest

pytest.importorskip("datasets")

from tests.corpus.mutations import WAYS, WRITERS, damaged, outcome, written

FEW = 8 * len(WRITERS)
#: Saved data sets that ended the process: Arrow followed a damaged offset.
CRASHED = (377, 449, 458, 485, 557, 629, 953, 1124, 1142, 1484, 1502, 1619, 1799)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return written(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("name", WRITERS)
def test_a_whole_file_is_read(whole, name):
    assert [outcome(whole / name, "cut", **way) for way in WAYS] == ["read"] * len(WAYS)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_damaged_file_is_read_or_refused_and_gives_no_text_of_no_input(whole, tmp_path, way):
    found = {}
    for seed in (*range(FEW), *CRASHED):
        path, kind = damaged(whole, tmp_path, seed)
        found[seed, path.name, kind] = outcome(path, kind, **way)
    assert {case: said for case, said in found.items() if said not in ("read", "refused", "other text")} == {}
    assert len(set(found.values())) > 1
