import json

import pytest

from getmore_assets.drafting.proposal import propose
from tests.scripts import written


@pytest.mark.parametrize(
    ("script", "proposed"),
    [*((script, "lexical") for script in ("Chinese", "Thai", "Arabic", "Hindi", "Korean", "mixed")), ("English", None)],
)
def test_the_encoder_that_is_proposed_reads_the_script_of_the_pool(script, proposed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, rows in (("pool", 300), ("train", 150)):
        texts = (json.dumps({"text": written(script, n % 2, n)}) + "\n" for n in range(rows))
        (tmp_path / f"{name}.jsonl").write_text("".join(texts), "utf-8")
    made = propose(["pool.jsonl", "train.jsonl"], "train.jsonl")
    assert made.fields["encoder"].get("model") == proposed
    assert any(choice.field == "encoder.model" for choice in made.choices) == bool(proposed)
