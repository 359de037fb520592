"""Films on Ray itself: this machine's workers, a cluster, Ctrl-C; what is wrong is one line."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
from files_made import packets
from film_made import film, shot
from ports import free_tcp_port
from waiting import until

from livedream.cli import main
from livedream.core.errors import WorkersError
from livedream.core.settings import DreamSettings
from livedream.jobs.film import on_ray
from livedream.jobs.film.film import OneWorker, render_films
from livedream.jobs.film.on_ray import RayWorkers
from livedream.jobs.render import RenderJob, render

SHOTS = 21, 20, 22, 20, 21  # at ten frames a second, so that each is a piece
OPTIONS = ["--size", "source", "--flow-size", "source", "--iterations", "6", "--codec", "ffv1"]
SETTINGS = DreamSettings(size="source", flow_size="source", iterations=6)
CLIENT = find_spec("grpc") is not None  # what Ray's client needs
BUSY = "Ray gives itself 30 s to start, which on this busy machine are too few"
RAY_S = 300.0  # Ray alone takes a minute where others have the processor
needs_ray = pytest.mark.skipif(
    find_spec("ray") is None or sys.platform != "linux",
    reason='needs Ray (pip install "livedream[ray]") and /proc',
)


def ends_in_one_line(capsys: pytest.CaptureFixture[str], *told: str) -> str:
    """What a command that cannot work says."""
    assert main(["render", *told]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_ray_that_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # an import of it fails
    monkeypatch.setattr(os, "environ", os.environ.copy())
    out = str(tmp_path / "out.mkv")
    said = ends_in_one_line(capsys, "synthetic:clouds", "-o", out, "--workers", "2")
    assert 'pip install "livedream[ray]"' in said


def test_ray_s_client_that_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes with Ray's `client` extra, which somebody who has Ray need not have."""

    def init(**options: object) -> None:
        raise ImportError("Ray Client requires pip package `ray[client]`")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    with socket.create_server(("127.0.0.1", 0)) as answers:
        address = f"ray://127.0.0.1:{answers.getsockname()[1]}"
        out = str(tmp_path / "out.mkv")
        said = ends_in_one_line(capsys, "synthetic:clouds", "-o", out, "--cluster", address)
    assert f"--cluster {address} needs Ray's client" in said
    assert 'pip install "livedream[ray]"' in said


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scheme: str
) -> None:
    address = f"{scheme}127.0.0.1:{free_tcp_port()}"
    out = str(tmp_path / "out.mkv")
    said = ends_in_one_line(capsys, "synthetic:clouds", "-o", out, "--cluster", address)
    assert f"--cluster {address}: no Ray cluster answers there" in said


@pytest.mark.skipif(not CLIENT, reason="needs grpcio, which asks a head whether it is well")
def test_an_address_where_something_else_listens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TCPServer(("127.0.0.1", 0), BaseRequestHandler) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{web.server_address[1]}"
        out = str(tmp_path / "out.mkv")
        said = ends_in_one_line(capsys, "synthetic:clouds", "-o", out, "--cluster", address)
        web.shutdown()
    assert f"--cluster {address}: no Ray cluster answers there (what listens there is not" in said


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("source") / "film.mkv", *SHOTS, step=1536)


@pytest.fixture(scope="module")
def one(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its dream by one."""
    out = tmp_path_factory.mktemp("one") / "one.mkv"
    render(job(source, out))
    return out


def job(source: Path, output: Path, **more: Any) -> RenderJob:
    return RenderJob(source=str(source), output=output, settings=SETTINGS, codec="ffv1", **more)


def left_of(mark: str) -> list[bytes]:
    """The processes in whose environment the mark stands."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes())
        except OSError:
            continue
    return [name for name in found if name]  # one that has ended has none


def test_the_command_with_workers_in_its_place(
    source: Path, one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked = []

    def workers(*told: object, **more: object) -> nullcontext[OneWorker]:
        asked.append((told, more))
        return nullcontext(OneWorker())

    monkeypatch.setattr(on_ray, "RayWorkers", workers)
    out, sheet = tmp_path / "many.mkv", tmp_path / "sheet.png"
    told = ["render", str(source), "-o", str(out), *OPTIONS, "--sheet", str(sheet)]
    assert main([*told, "--workers", "3", "--gpus-per-worker", "0.5"]) == 0
    assert asked == [((3,), {"cluster": None, "cpus": None, "gpus": 0.5})]
    assert f"{sum(SHOTS)} frames" in capsys.readouterr().out
    assert cv2.imread(str(sheet)).shape == (200, 396, 3)  # twelve of 96x64
    assert is_same(out, one)


def stamps(out: Path) -> dict[Path, int]:
    """The pieces that are finished, and when they were."""
    folder = out.with_name(f"{out.name}.livedream-state")
    return {path: path.stat().st_mtime_ns for path in folder.glob("0*.json")}


def is_same(out: Path, one: Path) -> bool:
    return all(packets(out, kind) == packets(one, kind) for kind in ("video", "audio"))


def ended(head: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit code, and what it said."""
    said = head.communicate(timeout=300)[1]
    if "timed out during startup" in said:
        pytest.skip(BUSY)
    return head.returncode, said


@needs_ray
@pytest.mark.slow
def test_ctrl_c_and_on_to_the_end(source: Path, one: Path, tmp_path: Path) -> None:
    """Nothing of Ray stays, what is finished does, and going on leads to the film of one."""
    out, sheet, mark = tmp_path / "many.mkv", tmp_path / "sheet.png", f"{tmp_path}/home"
    command = [sys.executable, "-m", "livedream", "render", str(source), "-o", str(out)]
    command += [*OPTIONS, "--workers", "2", "--sheet", str(sheet), "--quiet"]

    head = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, process_group=0,
        env={**os.environ, "LIVEDREAM_HOME": mark, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    until(lambda: stamps(out) or head.poll() is not None, RAY_S)
    os.killpg(head.pid, signal.SIGINT)  # as a terminal does: its workers too
    assert ended(head) == (130, "")
    until(lambda: not left_of(mark), RAY_S)
    assert 0 < len(stamps(out)) < len(SHOTS)
    assert not sheet.exists()
    made, later = stamps(out), []
    render_films([job(source, out, resume=True)], OneWorker(), lambda *_: later.append(stamps(out)))
    assert later and made.items() <= later[0].items()  # those are not made again
    assert is_same(out, one)


@contextmanager
def node(*told: str, before: Sequence[str] = ()) -> "Iterator[subprocess.Popen[bytes]]":
    """A part of a cluster, a process that ends with the block."""
    started = subprocess.Popen(
        [*before, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *told],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(120)


@contextmanager
def cluster(hidden: Path) -> Iterator[tuple[str, str, Path]]:
    """A head that does not work, and a worker that sees nothing of a folder and has 2 MB of disk:
    the address, that of Ray's client, and the disk."""
    address, client = (f"127.0.0.1:{free_tcp_port()}" for _ in range(2))
    mounts = f"mount -t tmpfs none {hidden} && mkdir {hidden}/disk"
    mounts += f" && mount -t tmpfs -o size=2m none {hidden}/disk"
    before = ["unshare", "--mount", "sh", "-c", f'{mounts} && TMPDIR={hidden}/disk exec "$@"', "-"]
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # sockets lie there: a short name
        told = ["--port", address.partition(":")[2], "--num-cpus", "0", "--temp-dir", folder]
        told += ["--ray-client-server-port", client.partition(":")[2]]
        with node("--head", *told, "--include-dashboard=false") as head:
            there = client if CLIENT else address
            until(lambda: answers(there) or head.poll() is not None, RAY_S)
            if head.poll() is not None:
                pytest.skip(BUSY)
            with node("--address", address, "--num-cpus", "1", before=before) as worker:
                yield address, client, Path(f"/proc/{worker.pid}/root{hidden}/disk")


def answers(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True


def joined(address: str) -> RayWorkers:
    """A session with the cluster, once its worker has come."""
    faults: list[WorkersError] = []

    def answered() -> RayWorkers | None:
        try:
            return RayWorkers(cluster=address)
        except WorkersError as error:  # on a busy machine a head may listen long before it answers
            faults.append(error)
            return None

    found: RayWorkers = until(answered, RAY_S, state=lambda: faults[-1])
    return found


class Unreadable:
    """An order as another version of livedream has it."""

    def __reduce__(self) -> tuple[object, ...]:
        return int, ("not a number",)

    def carry_out(self, tell: object) -> object:
        raise AssertionError("nobody can read it")


@needs_ray
@pytest.mark.slow
def test_a_worker_elsewhere(
    source: Path, one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees neither film nor output, is asked for other versions, and its disk is full."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs root: the worker's folders are mounts of its own")
    for name, value in [
        ("RAY_AUTH_MODE", "token"), ("RAY_AUTH_TOKEN", "7" * 64), ("RAY_USAGE_STATS_ENABLED", "0")
    ]:  # fmt: skip
        monkeypatch.setenv(name, value)
    out, pictures = tmp_path / "many.mkv", tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "0.png"), shot(1, 1)[0])

    def fill(*_: object) -> None:
        if stamps(out) and not filler.exists():
            with pytest.raises(OSError, match="No space left"):
                filler.write_bytes(bytes(4 << 20))

    with cluster(source.parents[1]) as (address, client, disk):
        filler = disk / "filler"
        with joined(address) as workers:
            with pytest.raises(WorkersError, match=r"pictures.* does not exist.* \(on [\w.-]+\)$"):
                render_films([job(pictures, out)], workers)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(on_ray, "__version__", "9.9")
                with pytest.raises(WorkersError, match=r"has livedream .* \(here: 9.9\): install"):
                    next(workers.run([Unreadable()], lambda words: None))
            with pytest.raises(WorkersError, match=r"No space left.* free some space.* --resume"):
                render_films([job(source, out)], workers, fill)
            filler.unlink()
            made = stamps(out)
            assert 0 < len(made) < len(SHOTS)
        with joined(f"ray://{client}" if CLIENT else address) as workers:
            render_films([job(source, out, resume=True)], workers)
    assert is_same(out, one)
