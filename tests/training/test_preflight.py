"""What a recipe needs is refused before work where it is not there."""

import sys

import pytest

from getmore_assets import preflight
from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from tests.conftest import task_fields


@pytest.mark.parametrize("stage", ["warmup", "finetune"])
def test_adapters_without_their_package_are_refused(stage, sources, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)  # as if it were not installed
    fields = task_fields(sources, tmp_path / "lake")
    fields[stage]["lora"] = {"rank": 4}
    with pytest.raises(BadInput, match=rf"^{stage}\.lora.*peft") as refusal:
        preflight.check(Task.model_validate(fields))
    assert "getmore-assets[lora]" in refusal.value.fix
    assert not (tmp_path / "lake" / "tables").exists()
