"""Vectors are named by the fit they are of: a fit that is lost, spoiled or another never mixes with its predecessor."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from getmore_assets.config import Task
from getmore_assets.corpus.identity import content_id
from getmore_assets.encoders import encoder_fingerprint, fits, refit, store
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake
from tests.conftest import task_fields


@pytest.fixture
def task(sources, tmp_path):
    return Task.model_validate(task_fields(sources, tmp_path / "lake", encoder={"model": "lexical", "dimensions": 2}))


@pytest.fixture
def texts(sources):
    rows = pl.read_parquet(sources / "pool.parquet").head(60)
    return pl.DataFrame({"id": [f"{n:03}" for n in range(60)], "text": rows["text"]})


def made(task: Task, texts: pl.DataFrame, rows: int):
    """The key and the encoder, fitted on some rows where it is not fitted yet."""
    key, path, encoder = fits.ready(task, Lake(task.lake), lambda: texts["text"].head(rows).to_list(), texts.lazy())
    return key, path, encoder


def note_of(path):
    return path.with_suffix(".json")


def test_a_fit_that_is_kept_keeps_its_key_and_its_vectors(task, texts):
    key, path, encoder = made(task, texts, 30)
    again, _, loaded = made(task, texts, 60)
    assert again == key == fits.key_of(task, Lake(task.lake))
    assert np.array_equal(encoder.encode(texts["text"].to_list()), loaded.encode(texts["text"].to_list()))
    path.unlink()
    note_of(path).unlink()
    assert made(task, texts, 30)[0] == key  # the same rows give the same fit, and that its key


def test_a_fit_on_other_rows_has_another_key(task, texts):
    key, path, _ = made(task, texts, 30)
    path.unlink()
    note_of(path).unlink()
    assert made(task, texts, 60)[0] != key
    path.unlink()  # the note alone is left
    assert made(task, texts, 30)[0] == key


def test_a_fit_that_is_cut_off_or_another_is_refused_with_the_repair(task, texts):
    _, path, _ = made(task, texts, 30)
    kept = load_file(path)
    save_file({**kept, "components": kept["components"][::-1].copy()}, path)
    with pytest.raises(BadInput, match="getmore repair"):
        made(task, texts, 30)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadInput, match="getmore repair"):
        made(task, texts, 30)


def of_an_earlier_version(task, texts):
    """A lake whose fit has no note, and whose vectors are named by the recipe alone."""
    _, path, encoder = made(task, texts, 30)
    note_of(path).unlink()
    recipe, lake = encoder_fingerprint(task), Lake(task.lake)
    old = texts.head(40)
    store.add(lake, recipe, old["id"].to_list(), encoder.encode(old["text"].to_list()), {})
    return recipe, path


def test_vectors_of_an_earlier_version_go_on_where_the_fit_gives_them(task, texts):
    recipe, path = of_an_earlier_version(task, texts)
    assert made(task, texts, 60)[0] == recipe
    assert json.loads(note_of(path).read_text())["key"] == recipe
    assert made(task, texts, 60)[0] == recipe


@pytest.mark.parametrize("refitted_on", [60, 45])
def test_vectors_of_two_fits_under_one_name_are_left_behind(task, texts, refitted_on):
    recipe, path = of_an_earlier_version(task, texts)
    path.unlink()
    _, _, other = made(task, texts, refitted_on)  # as an earlier version did when the fit was deleted
    note_of(path).unlink()
    late = texts.tail(20)
    store.add(Lake(task.lake), recipe, late["id"].to_list(), other.encode(late["text"].to_list()), {})
    key, _, encoder = made(task, texts, 60)
    assert key != recipe
    assert encoder is not None


def test_a_fit_of_an_earlier_version_that_is_cut_off_is_made_anew(task, texts):
    recipe, path = of_an_earlier_version(task, texts)
    path.write_bytes(path.read_bytes()[:1000])
    assert made(task, texts, 60)[0] != recipe


@pytest.fixture
def pool(sources):
    texts = pl.read_parquet(sources / "pool.parquet")["text"].unique(maintain_order=True).head(200).to_list()
    return pl.DataFrame({"id": [content_id(text) for text in texts], "text": texts})


def met(task: Task, rows: pl.DataFrame, sample=None):
    """The key of the vectors for a pool of some rows, as a run over that pool has it."""
    texts = sample or rows.sort("id")["text"].to_list
    return fits.ready(task, Lake(task.lake), texts, rows.lazy(), rows.lazy())[0]


def test_a_fit_is_kept_until_more_than_the_bound_came_however_many_steps_it_took(task, pool):
    first = met(task, pool.head(150))
    assert met(task, pool.head(151)) == met(task, pool.head(153)) == first  # 3 of 153 are 1.96 %
    assert not fits.refitted(task, Lake(task.lake))
    second = met(task, pool.head(154))  # 4 of 154 are 2.6 %
    assert second != first
    assert fits.refitted(task, Lake(task.lake)).startswith("2.6% of the pool's rows were added")
    assert met(task, pool.head(156)) == second


def test_with_few_rows_a_dimension_any_new_row_is_too_many(task, pool):
    wide = task.model_copy(update={"encoder": task.encoder.model_copy(update={"dimensions": 3})})
    first = met(wide, pool.head(150))  # 50 rows a dimension
    assert met(wide, pool.head(149)) == met(wide, pool.head(150)) == first
    assert met(wide, pool.head(151)) != first
    assert fits.refitted(wide, Lake(wide.lake)) == "0.7% of the pool's rows were added since the last fit (limit 0%)"


def test_rows_that_went_keep_the_fit_and_rows_that_replaced_them_do_not(task, pool):
    first = met(task, pool.head(150))
    assert met(task, pool.head(100)) == first
    assert met(task, pool[10:152]) == first
    assert met(task, pool[50:200]) != first  # as many rows as before


def test_tasks_on_one_pool_agree_and_one_that_reads_the_pool_as_it_was_does_not_fit_again(task, pool):
    met(task, pool.head(100))
    grown = met(task, pool)
    other = task.model_copy(update={"name": "other"})
    assert met(other, pool) == met(other, pool.head(100)) == met(task, pool) == grown


def test_a_refit_that_was_killed_is_made_by_the_next_run(task, pool, tmp_path):
    first = met(task, pool.head(100))

    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        met(task, pool, killed)
    second = met(task, pool)
    path = store.fitted_file(Lake(task.lake), encoder_fingerprint(task))
    note_of(path).unlink()  # killed between the fit and its note
    assert met(task, pool) == second != first


def test_a_large_pool_is_judged_by_the_ids_up_to_the_last_one_that_was_fitted(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(refit, "LEXICAL_SAMPLE", 50)
    from getmore_assets.encoders.lexical import LexicalEncoder

    rows = pool.sort("id")
    LexicalEncoder.load_or_fit(tmp_path / "fit.safetensors", rows["text"].head(50).to_list(), 8)

    def share(kept):
        return refit.share_new(tmp_path / "fit.safetensors", kept.lazy())

    assert share(rows) == share(rows[25:]) == 0  # larger ids are met instead: they were there
    new = pl.DataFrame({"id": [rows["id"][0][:-1] + "x"], "text": ["new"]})
    assert share(pl.concat([rows, new])) == pytest.approx(1 / 50)


def test_a_fit_of_an_earlier_version_goes_on_until_the_pool_grew(task, pool):
    met(task, pool.head(100))
    recipe, lake = encoder_fingerprint(task), Lake(task.lake)
    path = store.fitted_file(lake, recipe)
    kept = load_file(path)
    save_file({name: kept[name] for name in ("idf", "components")}, path)
    note_of(path).unlink()
    held = pool.head(100)
    encoder = fits.make_encoder(task, path, [])
    store.add(lake, recipe, held["id"].to_list(), encoder.encode(held["text"].to_list()), {})
    assert met(task, pool.head(101)) == recipe
    assert met(task, pool.head(101)) == recipe
    assert met(task, pool) != recipe
