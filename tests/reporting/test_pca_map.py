import numpy as np
import polars as pl
import pytest

from getmore_assets.reporting import pca_map


def sampled(pool=40, target=20, picks=5):
    candidates = pl.DataFrame({"id": [f"p{n:04}" for n in range(pool)], "decision": "not selected"})
    candidates = candidates.with_columns(
        decision=pl.when(pl.int_range(pl.len()) < picks).then(pl.lit("selected")).otherwise("decision")
    )
    return pca_map.sample(candidates.reverse(), pl.Series([f"t{n:04}" for n in range(target)]))


def test_samples_are_bounded_and_the_same_in_any_order():
    found = sampled(5000, 3000, 2000)
    assert [len(part) for part in (found.pool, found.target, found.picks)] == [1500, 500, 500]
    assert found.pool[0] == "p0000"
    assert len(found.ids) == 2000  # the first picks are among the first candidates


def test_the_plane_is_that_of_the_largest_variance():
    found, random = sampled(), np.random.default_rng(0)
    plane = np.linalg.qr(random.normal(size=(8, 2)))[0]
    flat = random.normal(size=(len(found.ids), 2)) * [5.0, 2.0]
    noise = 0.01 * random.normal(size=(len(found.ids), 8))
    laid_out = pca_map.project(found, (flat @ plane.T + noise).astype(np.float32))
    assert laid_out.pool.shape == (40, 2)
    assert laid_out.target.shape == (20, 2)
    assert laid_out.picks.shape == (5, 2)
    assert laid_out.explained[0] > laid_out.explained[1]
    assert sum(laid_out.explained) > 0.99
    # Distances within the plane are kept.
    apart = np.linalg.norm(laid_out.picks[0] - laid_out.picks[1])
    assert apart == pytest.approx(np.linalg.norm(flat[0] - flat[1]), rel=0.02)
    again = pca_map.project(found, (-flat @ -plane.T + noise).astype(np.float32))
    assert np.allclose(again.pool, laid_out.pool, atol=1e-5)


@pytest.mark.parametrize("width", [1, 8])
def test_vectors_on_a_line_have_no_map(width):
    found = sampled()
    along = np.linspace(0, 1, len(found.ids), dtype=np.float32)[:, None]
    assert pca_map.project(found, along * np.ones((1, width), np.float32)) is None
