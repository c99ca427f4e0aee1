"""The registry: each selector stands in its own file, has its settings and no others, and is in the documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import getmore_assets
from getmore_assets.config import DEFAULT, Selector
from getmore_assets.selectors import KINDS

PACKAGE = Path(getmore_assets.__file__).parent
VALUES = {
    "seed": 1,
    "rounds": {"rounds": 2},
    "push": 0.9,
    "quotas": {},
    "imported": {"path": "chosen.parquet"},
    "entrants": ["knn", "dsir"],
    "share": 0.5,
}
#: Names that are words for other things, too, and the two that defaults name.
ORDINARY = {"got-d", "random", "domain", "mean", "perplexity", "imported"}


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("setting", sorted(VALUES))
def test_a_selector_takes_its_own_settings_and_refuses_all_others(name, setting):
    needed = {one: VALUES[one] for one in KINDS[name].settings if one in ("imported", "entrants")}
    fields = {"selector": name, **needed, setting: VALUES[setting]}
    if setting in KINDS[name].settings:
        assert getattr(Selector.model_validate(fields), setting) is not None
    else:
        with pytest.raises(ValueError, match=rf"`{name}` (has no `{setting}`|does not read the target)"):
            Selector.model_validate(fields)


def test_every_setting_is_tried():
    assert set(VALUES) == set(Selector.model_fields) - {"selector", "name"}


@pytest.mark.parametrize("name", sorted(set(KINDS) - ORDINARY - {DEFAULT}))
def test_a_name_stands_in_one_file_of_the_package(name):
    files = [path for path in PACKAGE.rglob("*.py") if re.search(rf"[\"']{name}[\"']", path.read_text("utf-8"))]
    own = [path for path in files if path.parent.name == "selectors"]
    assert len(own) == 1
    assert files == own


def test_the_documentation_has_every_selector():
    told = (PACKAGE.parent / "ARCHITECTURE.md").read_text("utf-8")
    assert [name for name in KINDS if f"`{name}`" not in told] == []


def test_declarations_load_nothing_heavy():
    heavy = {"numpy", "polars", "torch", "sklearn", "scipy", "dagster"}
    code = f"import sys, getmore_assets.config; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
