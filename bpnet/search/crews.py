"""Who carries out trials: processes of this machine, a Dask cluster, or MPI."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bpnet.errors import UsageError
from bpnet.search import remote, trial
from bpnet.search.running import Crew
from bpnet.search.workers import Workers


@contextlib.contextmanager
def processes(width: int) -> Iterator[Crew]:
    """Fork workers on this machine; what they share must be in memory already."""
    workers = Workers(width, remote.carry_out, trial.request_stop)
    try:
        yield Crew(workers, width, workers.ask_to_stop, local=True)
    finally:
        workers.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def dask(scheduler: str) -> Iterator[Crew]:
    """Use the workers of a Dask scheduler, which see the same files under the same names.

    Parameters
    ----------
    scheduler
        Its address (``tcp://host:8786``) or its scheduler file.

    Raises
    ------
    UsageError
        If Dask is not installed, or no worker answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "--dask needs Dask, which is not installed: pip install 'bpnet[dask]'"
        ) from None
    place: dict[str, Any] = {"address": scheduler}
    if Path(scheduler).is_file():
        place = {"scheduler_file": scheduler}
    elif not re.search(r":\d+/?$", scheduler):
        raise UsageError(
            f"--dask {scheduler}: no such file, and no address such as tcp://host:8786"
        )
    try:
        client = Client(**place, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from None
    with contextlib.closing(client):
        width = sum(client.nthreads().values())
        if not width:
            raise UsageError(f"the Dask scheduler at {scheduler} has no workers yet; start some")
        # A trial that is tried again is another task, though of the same arguments.
        executor = client.get_executor(pure=False)
        try:
            yield Crew(executor, width)
        finally:
            executor.shutdown(wait=False)


@contextlib.contextmanager
def mpi() -> Iterator[Crew]:
    """Use the processes that mpiexec has started besides this one.

    Raises
    ------
    UsageError
        If mpi4py is not installed, or this process was not started for it.
    """
    try:
        from mpi4py import MPI
        from mpi4py.futures import MPIPoolExecutor
    except ImportError:
        raise UsageError(
            "--mpi needs mpi4py and an MPI, which are not installed: pip install 'bpnet[mpi]'"
        ) from None
    width = MPI.COMM_WORLD.Get_size() - 1
    if width < 1:
        raise UsageError(
            "--mpi finds no other process; start it as "
            "`mpiexec -n 5 python -m mpi4py.futures -m bpnet gridsearch CONFIG --mpi`"
        )
    with MPIPoolExecutor(width) as executor:
        yield Crew(executor, width)
