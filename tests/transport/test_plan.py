import pytest
import torch

from getmore_assets.errors import BadInput
from getmore_assets.transport.passes.cpu import CpuPass, tile_rows
from getmore_assets.transport.plan import calibrate, require_room
from getmore_assets.transport.problem import build_problem
from tests.transport.problems import points

CPU = torch.device("cpu")


def test_what_cannot_fit_is_refused_with_the_setting_that_would(tmp_path):
    with pytest.raises(BadInput, match="memory_mb") as refused:
        require_room(1_000_000, 100_000, 768, 200, CPU, tmp_path)
    enough = int("".join(c for c in refused.value.fix.split(",")[0] if c.isdigit()))
    assert 200 < require_room(1_000_000, 100_000, 768, enough, CPU, tmp_path) <= enough
    with pytest.raises(BadInput, match="are free"):
        require_room(10**12, 100, 768, 10**9, CPU, tmp_path)
    with pytest.raises(BadInput, match="vectors take"):
        require_room(10**8, 100, 10**5, 10**4, CPU, tmp_path)


def test_a_plan_is_of_this_device():
    problem = build_problem(points(20_000, 64, 0), points(500, 64, 1))
    plan = calibrate(CpuPass(problem), 0.05 * problem.mean_cost, 10.0)
    assert plan.tile_rows == tile_rows(500)
    assert 0 < plan.seconds_per_pass < 20
    assert plan.seconds == pytest.approx(plan.seconds_per_pass * plan.passes)
    assert plan.passes == pytest.approx(4.5, abs=0.5)
    assert plan.disk_mb == pytest.approx(20_000 * 64 * 4 / 2**20)


@pytest.mark.parametrize("m", [1, 50, 4_000, 10_000, 10**6])
def test_a_tile_is_never_empty_and_seldom_larger_than_a_cache(m):
    assert tile_rows(m) >= 16
    assert tile_rows(m) * m * 4 <= 2.5 * 2**20 or tile_rows(m) == 16
