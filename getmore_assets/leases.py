"""Leases: locks among machines that share a lake on an object store, which has no file locks.

Belongs here: acquiring, renewing, taking over and releasing a lease. Does not: what a lease protects (`lake.py`).

A lease is an object on the store, which is created only if it does not exist, and replaced only if it is unchanged
since it was read. Its holder renews it; another machine takes it over when it was not renewed for `LEASE_S` by the
store's clock. A process first acquires a file lock, which the operating system releases after a kill, so that a lease
of a killed process on the same machine is taken over at once. A suspended holder may lose its lease, so nothing relies
on leases alone: a table or record is written only if it is unchanged since it was read.
"""

import json
import logging
import os
import platform
import random
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from getmore_assets.json_models import JsonObject
from getmore_assets.mirror import Mirror
from getmore_assets.object_stores import errors_of, is_conflict, is_missing

log = logging.getLogger(__name__)

LEASE_S = 60.0  # a lease that was not renewed for longer may be taken over
RENEW_S = 15.0
_LOOK_S = 1.0  # mean interval at which a waiting machine reads the lease
_CLOCK_S = 600.0  # interval at which the difference to the store's clock is measured
_clocks: dict[str, tuple[float, float]] = {}  # by URL: time of the measurement, and the difference in seconds


class Lease:
    """A lock on a store, with the interface of `filelock.FileLock`.

    Args:
        mirror: The mirror of the lake.
        name: The name of the lease: the kind of lock, then what it locks.
        acquired: Called after the lease is acquired; an error releases the lease.
        released: Called before the lease is released.
    """

    def __init__(
        self,
        mirror: Mirror,
        name: tuple[str, ...],
        acquired: Callable[[], None] = lambda: None,
        released: Callable[[], None] = lambda: None,
    ) -> None:
        folder = mirror.root.joinpath("locks", *name[:-1])
        folder.mkdir(parents=True, exist_ok=True)
        self._mirror, self._name = mirror, f"locks/{'/'.join(name)}.json"
        self._local = FileLock(folder / f"{name[-1]}.lock")
        self._acquired, self._released = acquired, released
        self._holder, self._beats, self._tag = "", 0, ""
        self._done, self._renewer = threading.Event(), threading.Thread()

    def acquire(self, timeout: float | None = None, *, blocking: bool = True) -> None:
        """Wait for the lease.

        Args:
            timeout: Seconds to wait; None: no limit.
            blocking: Whether to wait at all.

        Raises:
            Timeout: Another process holds the lease.
            BadInput: The store cannot be reached, or refuses access.
        """
        until = time.monotonic() + (0 if not blocking else float("inf") if timeout is None else timeout)
        self._local.acquire(timeout=-1 if timeout is None else timeout, blocking=blocking)
        try:
            self._holder, self._beats = uuid.uuid4().hex, 0
            while not self._take():
                if time.monotonic() >= until:
                    raise Timeout(f"{self._mirror.url}/{self._name}")
                time.sleep(random.uniform(0.5, 1.5) * _LOOK_S)  # noqa: S311 - not for a secret
            self._done = threading.Event()
            self._renewer = threading.Thread(target=self._renew, args=(self._done,), daemon=True)
            self._renewer.start()
        except BaseException:
            self._local.release()
            raise
        try:
            self._acquired()
        except BaseException:
            self._free()
            raise

    def release(self) -> None:
        """Release the lease.

        Raises:
            BadInput: Files that were written under the lease cannot be uploaded; the lease is still released.
        """
        try:
            self._released()
        finally:
            self._free()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.release()
            return
        try:
            self.release()
        except Exception as second:  # the first error is the one to report
            log.warning("%s: what was written under the lease was not uploaded (%s)", self._name, second)

    def _take(self) -> bool:
        with errors_of(self._mirror.url):
            try:
                self._put("create")
                return True
            except Exception as error:
                if not is_conflict(error):
                    raise
            current = _read(self._mirror, self._name)
            if current is None:
                return False
            lease, self._tag = current
            if lease.get("holder") == self._holder:  # created by a request whose answer was lost
                return True
            return not _is_held(self._mirror, lease) and self._replace()

    def _replace(self) -> bool:
        """Write the lease in place of the version that was read; return False if another machine was faster."""
        try:
            self._put({"e_tag": self._tag})
        except Exception as error:
            if not is_conflict(error):
                raise
            current = _read(self._mirror, self._name)
            if current is None or current[0].get("holder") != self._holder:
                return False
            self._tag = current[1]  # written by a request whose answer was lost
        return True

    def _put(self, mode: Any, free: bool = False) -> None:
        self._beats += 1  # each version has a different ETag
        holder = {"holder": self._holder, "mirror": self._mirror.id, "host": platform.node(), "pid": os.getpid()}
        body = json.dumps({**holder, "beats": self._beats, "free": free}).encode()
        self._tag = str(self._mirror.store.put(self._name, body, mode=mode, use_multipart=False)["e_tag"])

    def _renew(self, done: threading.Event) -> None:
        while not done.wait(RENEW_S):
            try:
                if not self._replace():
                    log.warning("%s: another machine has taken the lease over: it was not renewed in time", self._name)
                    self._tag = ""
                    return
            except Exception as error:  # the store does not answer; the next attempt may succeed
                log.warning("%s: the lease could not be renewed (%s)", self._name, type(error).__name__)

    def _free(self) -> None:
        self._done.set()
        self._renewer.join()
        try:
            if self._tag:
                self._put({"e_tag": self._tag}, free=True)
        except Exception as error:  # the lease is lost, or the store does not answer and the lease expires
            log.debug("%s: the lease could not be released (%s)", self._name, type(error).__name__)
        finally:
            self._local.release()


def is_leased(mirror: Mirror, name: tuple[str, ...]) -> bool:
    """Return whether a process of any machine holds a lease."""
    local = Lease(mirror, name)._local
    try:
        local.acquire(blocking=False)
    except Timeout:
        return True
    local.release()
    with errors_of(mirror.url):
        current = _read(mirror, f"locks/{'/'.join(name)}.json")
        return current is not None and _is_held(mirror, current[0])


def _read(mirror: Mirror, name: str) -> tuple[JsonObject, str] | None:
    """Return a lease, with its age in seconds as `age`, and its ETag; None if there is no lease."""
    try:
        answer = mirror.store.get(name)
        body, meta = bytes(answer.bytes()), answer.meta
    except Exception as error:
        if is_missing(error):
            return None
        raise
    age = time.time() + _clock(mirror) - meta["last_modified"].timestamp()
    return {**json.loads(body), "age": age}, str(meta["e_tag"])


def _is_held(mirror: Mirror, lease: JsonObject) -> bool:
    """Return whether a lease is held: not released, not of a killed process of this machine, and not expired."""
    return not lease["free"] and lease["mirror"] != mirror.id and bool(lease["age"] <= LEASE_S)


def _clock(mirror: Mirror) -> float:
    """Return how many seconds the store's clock is ahead of this machine's."""
    now = time.monotonic()
    measured, ahead = _clocks.get(mirror.url, (now - _CLOCK_S, 0.0))
    if now - measured >= _CLOCK_S:
        name = f"locks/clocks/{mirror.id}"
        mirror.store.put(name, b"", use_multipart=False)
        ahead = mirror.store.head(name)["last_modified"].timestamp() - time.time()
        _clocks[mirror.url] = now, ahead
    return ahead
