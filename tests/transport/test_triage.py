import numpy as np

from getmore_assets.transport.triage import TOLERANCE, distances
from tests.transport.problems import points, solved


def test_domains_are_ranked_by_their_distance():
    y = points(60, 8, 0, 0.8)
    shifts = {"far": -0.5, "same": 0.8, "near": 0.4}
    samples = {name: points(200, 8, k, shift) for k, (name, shift) in enumerate(shifts.items())}
    found = distances(samples, y, np.full(60, 1 / 60), 0.05, 1024)
    assert [one.domain for one in found] == ["same", "near", "far"]
    assert all(one.sampled == 200 and one.error <= TOLERANCE for one in found)
    alone = distances({"near": samples["near"]}, y, np.full(60, 1 / 60), 0.05, 1024)
    assert abs(alone[0].distance - solved(samples["near"], y, relative=0.05).dual) < 0.01


def test_a_domain_of_one_row_has_a_distance():
    (one,) = distances({"single": points(1, 8, 0)}, points(5, 8, 1), np.full(5, 0.2), 0.05, 1024)
    assert np.isfinite(one.distance)
