"""Workers by Ray (https://docs.ray.io): where they run, how many, and what of them goes wrong.

Scheduling, transport, retries and the placing on GPUs are Ray's. What travels between the head and
its workers is pickled and unpickled by Ray, so a cluster is for machines that trust each other;
Ray's token keeps others out. Where livedream starts Ray itself it listens on loopback alone, with a
token made for this run, without its dashboard. Usage statistics are never sent.
"""

import contextlib
import logging
import os
import re
import secrets
import socket
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Final

from livedream.core.closing import Closeable
from livedream.core.errors import (
    LivedreamError,
    SettingsError,
    WorkersError,
    reason,
    to_resume,
)
from livedream.core.parameters import refused
from livedream.core.version import __version__
from livedream.jobs.film.film import Hear
from livedream.jobs.film.orders import Order
from livedream.jobs.film.piece import Word
from livedream.jobs.film.sending import FilePart, Get

_HEAR_S: Final = 0.5
_ANSWER_S: Final = 5.0  # until a cluster has answered; Ray itself goes on asking for ten minutes
_AT_ONCE: Final = 64  # orders; heuristic: a cluster that grows by itself goes by what waits
_RETRIES: Final = 20  # of a piece whose worker died; more means that the piece kills it
_STORE_BYTES: Final = 256 << 20  # of shared memory, on one machine, where pieces are sent as files
_LEAST_SHARE, _MOST_SHARE = 0.0001, 4096.0  # Ray's own limit; heuristic: what no machine has
_LOOPBACK: Final = {
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's word for: one machine, loopback
}
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_PATIENCE: Final = {  # with an address where no Ray answers, or not to this token: some seconds
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "2",  # ray://, tried three times
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "2",
    "RAY_NUM_REDIS_GET_RETRIES": "5",  # others, a second each
}


def _check_share(name: str, share: float | None) -> None:
    """Of what a machine has, as Ray takes it."""
    if share and not _LEAST_SHARE <= share <= _MOST_SHARE:  # neither is nan
        raise refused(name, f"0, or {_LEAST_SHARE:g} to {_MOST_SHARE:g}", f"{share:g}")


class RayWorkers(Closeable):
    """Workers that Ray runs: on this machine, or in a cluster.

    count: how many at once; None: as many as the cluster has room for.  cluster: an address as
    `ray.init` takes it ("auto", "ray://head:10001"); None: this machine, where Ray is started and
    ended.  cpus, gpus: that each worker takes, None: the machine's shared among them, and no GPU
    where there is none.  Raises WorkersError for what cannot be had.
    """

    def __init__(
        self,
        count: int | None = None,
        *,
        cluster: str | None = None,
        cpus: float | None = None,
        gpus: float | None = None,
    ) -> None:
        _check_share("--cpus-per-worker", cpus)
        _check_share("--gpus-per-worker", gpus)
        if gpus is not None and gpus > 1 and gpus % 1:
            raise refused("--gpus-per-worker", "a whole number above 1", f"{gpus:g}")
        if count is not None and count < 1:
            raise SettingsError(f"--workers: must be 1 or more (got {count})")
        if cluster is not None:
            _check_answers(cluster)
        os.environ.update(_QUIET)  # these, and those below, are read when Ray is imported
        if cluster is not None:
            os.environ.update({**_PATIENCE, **os.environ})
        elif "ray" not in sys.modules:
            os.environ.update(_LOOPBACK, RAY_AUTH_TOKEN=secrets.token_hex(32))
        try:
            import ray
        except ImportError as error:
            raise _no_ray("many workers need Ray", error) from error
        self._ray = ray
        if cluster is None:
            cores = os.cpu_count() or 1
            count = count or 1
            cpus = max(1, cores // count) if cpus is None else cpus
            self._start(num_cpus=max(cores, count * max(1, cpus)))
        else:
            self._join(cluster)
        try:
            self._size(count, 1 if cpus is None else cpus, gpus)
        except BaseException:
            self.close()
            raise

    def _start(self, num_cpus: float) -> None:
        try:
            self._ray.init(
                address="local", num_cpus=num_cpus, include_dashboard=False,
                object_store_memory=_STORE_BYTES, **_OPTIONS,
            )  # fmt: skip
        except Exception as error:  # Ray's own are of every kind
            raise WorkersError(
                f"Ray does not start here ({reason(error)}); try again when this machine is less "
                "busy, or leave out --workers"
            ) from error

    def _join(self, cluster: str) -> None:
        try:
            with _silence():
                self._ray.init(address=cluster, **_OPTIONS)
        except ImportError as error:
            raise _no_ray(f"--cluster {cluster} needs Ray's client", error) from error
        except Exception as error:
            if "mismatch" in str(error):
                raise WorkersError(
                    f"--cluster {cluster} has another Ray or Python than this machine: install "
                    f"the same ({reason(error)[:400]})"
                ) from error
            raise _no_cluster(cluster, error) from error

    def _size(self, count: int | None, cpus: float, gpus: float | None) -> None:
        has = self._ray.cluster_resources()
        there = has.get("GPU", 0.0)
        if gpus is None:
            gpus = 0.0 if not there else 1.0 if count is None else min(1.0, there / count)
        if gpus > there:
            raise WorkersError(
                f"--gpus-per-worker {gpus:g}: Ray finds {there:g} GPUs; leave it out, or start "
                "workers that have one"
            )
        rooms = [has.get("CPU", 0.0) / cpus] if cpus else []
        rooms += [there / gpus] if gpus else []
        room = int(min(rooms, default=1.0))
        if room < 1:
            raise WorkersError(
                f"no room for a worker of {cpus:g} CPUs: Ray finds {has.get('CPU', 0.0):g}"
            )
        self.count = min(room, count or room)
        # One more that waits for each, so that none has to; a cluster may grow meanwhile.
        self._limit = count or max(_AT_ONCE, 2 * room)
        self._needs = {"num_cpus": cpus, "num_gpus": gpus}

    def share(self, part: FilePart) -> Get:
        return partial(self._ray.get, self._ray.put(part))

    def run(self, orders: Iterable[Order], hear: Hear) -> Iterator[tuple[int, Any]]:
        ray = self._ray
        board = ray.remote(num_cpus=0, max_restarts=-1)(Board).remote()
        carry_out = ray.remote(**self._needs, max_retries=_RETRIES)(_carry_out)
        waiting = enumerate(orders)
        numbers: dict[Any, int] = {}
        try:
            while True:
                for number, order in islice(waiting, self._limit - len(numbers)):
                    sealed = [ray.put(order)]  # opened by those of this version only
                    ref = carry_out.remote(sealed, board, number, _here(), str(Path.cwd()))
                    numbers[ref] = number
                if not numbers:
                    return
                ready, _ = ray.wait(list(numbers), timeout=_HEAR_S)
                for ref in ready:
                    number = numbers.pop(ref)
                    yield number, self._got(ref)
                hear(self._words(board, list(numbers.values())))
        finally:
            for ref in numbers:
                with contextlib.suppress(Exception):
                    ray.cancel(ref, force=True)

    def _got(self, ref: Any) -> Any:
        try:
            result = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            raise WorkersError(_why(error)) from error
        if isinstance(result, LivedreamError):
            raise result
        return result

    def _words(self, board: Any, numbers: list[int]) -> list[Word]:
        try:
            said: list[Word] = self._ray.get(board.words.remote(numbers), timeout=_HEAR_S)
        except self._ray.exceptions.RayError:  # its process died, or it is busy: next time
            return []
        return said

    def close(self) -> None:
        self._ray.shutdown()


class Board:
    """The last word of each worker, by the number of its order; an actor of Ray's."""

    def __init__(self) -> None:
        self._said: dict[int, Word] = {}

    def say(self, number: int, word: Word) -> None:
        self._said[number] = word

    def words(self, numbers: Collection[int]) -> list[Word]:
        """Those about these orders; others, which are done, are forgotten."""
        self._said = {number: self._said[number] for number in numbers if number in self._said}
        return list(self._said.values())


_OPTIONS: Final[dict[str, Any]] = {
    "log_to_driver": False,
    "logging_level": logging.ERROR,
    # As the command line does: threads that spin at a barrier starve each other.
    "runtime_env": {"env_vars": {"OMP_WAIT_POLICY": "PASSIVE", "OPENCV_LOG_LEVEL": "FATAL"}},
}


def _here() -> dict[str, str]:
    """What has to be the same on all machines for a film to be one.

    Not what PyTorch was built for (+cpu, +cu130): a head may have no GPU where its workers do.
    """
    found = {name: version(name).partition("+")[0] for name in ("torch", "av")}
    return {"livedream": __version__, **found}


def _carry_out(
    sealed: list[Any], board: Any, number: int, wanted: dict[str, str], folder: str
) -> object:
    """On a worker: what comes of an order, or the error of livedream's that did.

    sealed: the order, which another version of livedream might not even unpickle.
    """
    where = socket.gethostname()
    if (found := _here()) != wanted:
        differ = ", ".join(
            f"{name} {found[name]} (here: {wanted[name]})"
            for name in wanted
            if found[name] != wanted[name]
        )
        return WorkersError(f"the worker {where} has {differ}: install the same")
    with contextlib.suppress(OSError):
        os.chdir(folder)  # names of masks, guides and weights count from there
    import ray

    (order,) = ray.get(sealed)
    say: Callable[[Word], None] = lambda word: board.say.remote(number, word)  # noqa: E731
    try:
        return order.carry_out(say)
    except LivedreamError as error:
        return WorkersError(f"{reason(to_resume(error))} (on {where})")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing comes on stderr: while it connects Ray complains of each try, also from C++."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check_answers(cluster: str) -> None:
    """Raise WorkersError where an address HOST:PORT is nobody's, or of no Ray."""
    address = cluster.removeprefix("ray://")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
        if address == cluster:
            _check_health(address)
    except (OSError, OverflowError) as error:
        raise _no_cluster(cluster, error) from error


def _check_health(address: str) -> None:
    """Raise OSError where something else listens than a head: Ray itself would wait for minutes."""
    if find_spec("grpc") is None or os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return
    import grpc

    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=_ANSWER_S)
        except grpc.RpcError as error:
            raise OSError(f"what listens there is not Ray: {error.code().name}") from error


def _no_ray(needed: str, error: ImportError) -> WorkersError:
    return WorkersError(
        f'{needed}, which is not installed: pip install "livedream[ray]" ({reason(error)[:200]})'
    )


def _no_cluster(address: str, error: Exception) -> WorkersError:
    return WorkersError(
        f"--cluster {address}: no Ray cluster answers there ({reason(error)[:200]}); start one "
        "with 'ray start --head', and give its token (RAY_AUTH_TOKEN)"
    )


def _why(error: BaseException) -> str:
    """What Ray says of a worker's failure: on which machine, and the last line, the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = (lines[-1] if lines else type(error).__name__)[:300]
    found = re.search(r"\bip=([^\s),]+)", str(error))
    where = f"a worker on {found[1]}" if found else "a worker"
    hint = ""
    if cause.startswith(("ModuleNotFoundError", "ImportError")):
        hint = f"; install livedream {__version__} there, as it is here"
    return f"{where} failed: {cause}{hint}"
