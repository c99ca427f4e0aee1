"""Two processes of one training (gloo) that are forked from the test's: torch is imported once.

Belongs here: forking, and what each process is told. Does not: workers under torchrun (`test_several.py`).
"""

import json
import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState

_FORK = multiprocessing.get_context("fork")
_PATIENCE_S = 120


def in_two(work: Callable[[], Any], folder: Path) -> list[Any]:
    """Do work in two processes, and return what each of them returned, as JSON says it.

    The work may not call Polars, whose threads are not forked.
    The processes end as soon as one of them fails; what that one should have returned is None.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    started = [_FORK.Process(target=_be, args=(rank, port, work, folder)) for rank in range(2)]
    for process in started:
        process.start()
    waiting: list[BaseProcess] = list(started)
    while waiting:
        multiprocessing.connection.wait([process.sentinel for process in waiting], _PATIENCE_S)
        ended = [process for process in waiting if not process.is_alive()]
        waiting = [process for process in waiting if process.is_alive()]
        if not ended or any(process.exitcode for process in ended):
            for process in waiting:
                process.kill()
                process.join()
            waiting = []
    answers = [folder / f"{rank}.json" for rank in range(2)]
    return [json.loads(path.read_text()) if path.is_file() else None for path in answers]


def _be(rank: int, port: int, work: Callable[[], Any], folder: Path) -> None:
    given = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in given.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "ACCELERATE_USE_CPU": "true"}
    AcceleratorState._reset_state(True)  # of the test's process, which is one process
    try:
        answer = work()
        (folder / f"{rank}.json").write_text(json.dumps(answer))
        torch.distributed.barrier()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # what pytest would do at the end is not this process's
