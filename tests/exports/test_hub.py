"""A data set and a model go to a repository of the hub, with their cards, and the token goes nowhere else."""

import io
import json

import polars as pl
import pytest
import yaml

from getmore_assets.exports.formats import export
from getmore_assets.task_parsing import load_task
from tests.conftest import SECRET, getmore, in_process
from tests.exports.hub_server import TOKEN, hub_server


@pytest.fixture
def hub(monkeypatch):
    with hub_server() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield hub


def publish(ran, *formats, to="hf://someone/rows", token=TOKEN):
    wanted = [word for one in formats for word in ("--format", one)]
    arguments = ["export", str(ran.file), *wanted, "--to", to, "--json"]
    return in_process.run_command(arguments, {"HF_TOKEN": token}, None)


def front_matter(card):
    return yaml.safe_load(card.split("---")[1])


def test_the_selected_rows_are_a_data_set_with_a_card_in_a_private_repository(ran, hub):
    done = publish(ran, "hub")
    assert done.returncode == 0, done.stderr
    key = ("dataset", "someone/rows")
    assert hub.private[key] is True
    assert set(hub.files[key]) == {"README.md", "data/selected.parquet"}
    rows = pl.read_parquet(io.BytesIO(hub.files[key]["data/selected.parquet"]))
    assert rows["id"].to_list() == pl.read_parquet(ran.printed["selected"])["id"].to_list()
    card = hub.files[key]["README.md"].decode()
    assert front_matter(card)["configs"] == [{"config_name": "default", "data_files": "data/selected.parquet"}]
    assert ran.records.get("selected_subset").data_version in card
    assert str(ran.lake.root) not in card
    assert json.loads(done.stdout.splitlines()[-1])["exported"]["hub"].startswith(hub.address)


def test_a_second_export_replaces_the_first(ran, hub):
    publish(ran, "hub")
    hub.files["dataset", "someone/rows"]["data/of-before.parquet"] = b""
    assert publish(ran, "hub").returncode == 0
    assert set(hub.files["dataset", "someone/rows"]) == {"README.md", "data/selected.parquet"}
    assert len(hub.commits) == 2


def test_a_model_goes_to_a_repository_of_models_with_its_card(ran, hub):
    done = publish(ran, "finetuned_model", to="hf://someone/model")
    assert done.returncode == 0, done.stderr
    files = hub.files["model", "someone/model"]
    assert {"README.md", "config.json", "model.safetensors"} <= set(files)
    assert front_matter(files["README.md"].decode())["library_name"] == "transformers"


def test_the_same_data_set_can_be_looked_at_in_a_folder_first(ran, tmp_path):
    pytest.importorskip("datasets")
    written = export(load_task(ran.file), ["hub"], tmp_path / "out")
    assert sorted(path.name for path in written["hub"].iterdir()) == ["README.md", "data"]
    import datasets

    assert datasets.load_dataset(str(written["hub"]), split="train", cache_dir=str(tmp_path / "cache")).num_rows == 100


@pytest.mark.parametrize(
    ("formats", "to", "said"),
    [
        (["hub", "finetuned_model"], "hf://someone/rows", "one data set or one model"),
        (["parquet"], "hf://someone/rows", "one data set or one model"),
        (["hub"], "hf://rows", "does not name a repository of the hub"),
    ],
)
def test_what_is_no_repository_is_refused(ran, hub, formats, to, said):
    done = publish(ran, *formats, to=to)
    assert done.returncode == 2
    assert said in done.stderr
    assert hub.asked == []


def test_without_a_token_nothing_is_asked_and_a_wrong_one_is_not_told(ran, hub):
    done = publish(ran, "hub", token=None)
    assert done.returncode == 2
    assert "Set HF_TOKEN" in done.stderr
    assert hub.asked == []
    done = publish(ran, "hub", token=SECRET)
    assert done.returncode == 2
    assert "cannot be written to" in done.stderr
    assert SECRET not in done.stderr + done.stdout


def test_a_hub_that_cannot_be_reached_is_said(ran, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    done = publish(ran, "hub")
    assert done.returncode == 2
    assert "hf://someone/rows: cannot be written to" in done.stderr
    assert getmore("schema").returncode == 0
