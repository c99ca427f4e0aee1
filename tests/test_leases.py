"""Leases on an S3 server of loopback, among machines that are mirrors of their own, and among real processes."""

import signal
import subprocess
import sys
import time

import pytest
from filelock import Timeout

from getmore_assets import leases
from getmore_assets.leases import Lease, is_leased
from getmore_assets.mirror import mirror_of
from tests.s3_server import BUCKET, dropping

URL, NAME = f"s3://{BUCKET}/lakes/one", ("stage", "t", "embeddings")
_HOLD = """
import sys, time
from getmore_assets import leases
from getmore_assets.mirror import mirror_of
leases.LEASE_S, leases.RENEW_S = 3, 1
leases.Lease(mirror_of(sys.argv[1]), ("stage", "t", "embeddings")).acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def machine(named_machine, monkeypatch):
    """The mirror of the lake on a machine, by the machine's name."""
    monkeypatch.setattr(leases, "_LOOK_S", 0.1)

    def mirror(name):
        named_machine(name)
        return mirror_of(URL)

    return mirror


def test_one_machine_holds_a_lease_and_another_waits_for_its_release(machine):
    here, there = machine("here"), machine("there")
    assert not is_leased(here, NAME)
    with Lease(here, NAME):
        for mirror in (here, there):
            assert is_leased(mirror, NAME)
            with pytest.raises(Timeout):
                Lease(mirror, NAME).acquire(blocking=False)
        with pytest.raises(Timeout):
            Lease(there, NAME).acquire(timeout=0.3)
        with Lease(there, ("stage", "t", "other")):
            assert is_leased(here, ("stage", "t", "other"))
    assert not is_leased(here, NAME)
    with Lease(there, NAME):
        assert is_leased(here, NAME)


def test_a_lease_is_renewed_and_one_that_is_not_is_taken_over_once(machine, monkeypatch, caplog):
    here, there = machine("here"), machine("there")
    monkeypatch.setattr(leases, "LEASE_S", 2.0)
    monkeypatch.setattr(leases, "RENEW_S", 0.3)
    with Lease(here, NAME), pytest.raises(Timeout):
        Lease(there, NAME).acquire(timeout=4)
    monkeypatch.setattr(leases, "RENEW_S", 6.0)  # as a holder that is suspended
    suspended, taken = Lease(here, NAME), Lease(there, NAME)
    suspended.acquire()
    taken.acquire(timeout=10)
    with pytest.raises(Timeout):
        Lease(machine("third"), NAME).acquire(blocking=False)
    suspended._done.wait(6.5)
    assert "another machine has taken the lease over" in caplog.text
    suspended.release()
    assert is_leased(here, NAME)  # by the machine that took it over
    taken.release()
    assert not is_leased(here, NAME)


def test_what_a_lease_protects_is_fetched_first_and_uploaded_last_also_when_either_fails(machine):
    here, there, seen = machine("here"), machine("there"), []

    def fail():
        raise OSError("the store is away")

    with Lease(here, NAME, lambda: seen.append(is_leased(there, NAME)), lambda: seen.append(is_leased(there, NAME))):
        pass
    assert seen == [True, True]
    with pytest.raises(OSError, match="away"):
        Lease(here, NAME, acquired=fail).acquire()
    assert not is_leased(there, NAME)
    with pytest.raises(OSError, match="away"), Lease(here, NAME, released=fail):
        pass
    assert not is_leased(there, NAME)
    with pytest.raises(ValueError, match="first"), Lease(here, NAME, released=fail):
        raise ValueError("first")
    assert not is_leased(there, NAME)


def test_a_request_whose_answer_was_lost_is_no_loss_of_the_lease(machine, server, monkeypatch):
    with dropping(server.url, after=0, times=0, method=b"PUT") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        here = machine("here")
        proxy.times = 1
        lease = Lease(here, NAME)
        lease.acquire(timeout=5)
        assert proxy.dropped == 1
        proxy.times = 2
        assert lease._replace()
        assert proxy.dropped == 2
        lease.release()
    assert not is_leased(here, NAME)


def test_the_lease_of_a_process_that_was_killed_is_free_here_at_once_and_elsewhere_when_it_expires(
    machine, monkeypatch, tmp_path
):
    here, there = machine("here"), machine("there")
    monkeypatch.setattr(leases, "LEASE_S", 3.0)
    monkeypatch.setenv("GETMORE_MIRROR", str(tmp_path / "here"))
    for mirror, least, most in ((here, 0.0, 2.5), (there, 1.0, 8.0)):
        with subprocess.Popen([sys.executable, "-c", _HOLD, URL], stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout.readline() == "held\n"
            time.sleep(1.5)  # so that it is renewed
            with pytest.raises(Timeout):
                Lease(mirror, NAME).acquire(timeout=0.5)
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            began = time.monotonic()
            lease = Lease(mirror, NAME)
            lease.acquire(timeout=10)
            assert least <= time.monotonic() - began <= most
            lease.release()
