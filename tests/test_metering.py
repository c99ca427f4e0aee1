import time

from getmore_assets.metering import Meter, metered


def test_time_and_the_peak_of_a_stage_are_measured_and_not_those_before_it():
    held = bytearray(400 * 2**20)
    held[:] = b"x" * len(held)
    del held
    with metered() as meter:
        time.sleep(0.2)
    small = meter.peak_rss_mb
    with metered() as meter:
        held = bytearray(300 * 2**20)
        held[:] = b"x" * len(held)
        del held
    assert meter.peak_rss_mb > small + 200
    assert small > 20


def test_a_worker_counts_beside_this_process():
    meter = Meter()
    meter.add_worker(1000.0)
    assert meter.peak_rss_mb > 1020
    before = meter.peak_rss_mb
    meter.add_worker(10.0)
    assert meter.peak_rss_mb == before
