"""A live session: source, loop, dream, outputs and controllers, closed within a second.

job = LiveJob(source="synthetic:clouds", sinks=("udp://127.0.0.1:9000",))
with Session(job) as session:
    session.run()
"""

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final

from livedream.capture.live import LiveInput, Opened, open_live
from livedream.capture.live.beside import LivePictures
from livedream.capture.live.worker import Capture
from livedream.control.catalogue import objective_check, own_objective_of
from livedream.control.live_parameters import TAKEN_BACK, Change, LiveParameters
from livedream.core.children import end_children
from livedream.core.closing import Closeable
from livedream.core.errors import SettingsError, ShowError, SinkError, SourceError, reason
from livedream.core.health import Status, StatusBoard
from livedream.core.latest_slot import LatestSlot
from livedream.core.live_sound import LiveSound
from livedream.core.redact import redact
from livedream.core.settings import DREAMED
from livedream.core.supervisor import Supervisor
from livedream.core.version import __version__
from livedream.dream.dreamer import Dreamer
from livedream.flow import FlowEstimator, open_flow
from livedream.live.controllers import Controllers
from livedream.live.dream_worker import DreamWorker
from livedream.live.dreamer_pool import LiveDreamerPool
from livedream.live.governor import Governor
from livedream.live.idle import StillWatch
from livedream.live.job import MOST_FPS, LiveJob, is_window_sink
from livedream.live.loop import Composed, LiveLoop, Wiring
from livedream.live.watchdog import Watchdog
from livedream.media.webrtc import is_whip
from livedream.present.live import LiveFrame, Output, as_recording, find_route, open_output
from livedream.present.live.wall_control import WallControl
from livedream.present.live.worker import OutputWorker
from livedream.region.painting import PaintingFile, kept_painting

if TYPE_CHECKING:
    from livedream.present.live.window import Window

_log = logging.getLogger(__name__)

_SOURCE_WAIT_S: Final = 5.0  # for the first frame of a camera or file
_STREAM_WAIT_S: Final = 8.0  # for a stream that answers slowly; one that fails is not waited for
_FALLBACK_FPS: Final = 25.0
_SETTLED_S: Final = 10.0  # until the latency is steady enough to report
_CHECK_S: Final = 1.0  # between two checks of how the show is
_CLOSING_S: Final = 0.7


class Session(Closeable):
    """One show. `run` returns when it ends; `stop` ends it from any thread or signal handler.

    live_input, dreamer, outputs: other ones than the job names: for tests and for programs.
    watch: called with every finished picture's figures.
    Raises LivedreamError for what cannot be had at all; what is lost later comes back by itself.
    """

    def __init__(
        self,
        job: LiveJob,
        *,
        live_input: LiveInput | None = None,
        dreamer: Dreamer | None = None,
        outputs: tuple[Output, ...] = (),
        watch: Callable[[Composed], None] | None = None,
    ) -> None:
        self.job = job
        self.status = StatusBoard()
        self.supervisor = Supervisor(lambda: self.stop("a thread failed"))
        self._watchdog = Watchdog()
        self._end = ""
        self._losing = threading.Lock()
        self._newest: LiveFrame | None = None
        self.stopping = threading.Event()
        self.window_slot: LatestSlot[LiveFrame] = LatestSlot()
        self._output_workers: list[OutputWorker] = []
        self._closers: list[tuple[str, Callable[[], object]]] = []
        self._watch, self._given_outputs = watch, outputs
        self._ends_s = math.inf
        self._delays_said: set[OutputWorker] = set()  # outputs whose delay was logged
        try:
            with self.supervisor.current():
                self._open(live_input, dreamer)
        except BaseException:
            self.close()
            raise

    def _open(self, live_input: LiveInput | None, dreamer: Dreamer | None) -> None:
        job = self.job
        self.parameters = LiveParameters(
            job.dream, job.grade, show=job.show, own_objective=own_objective_of(job.dream),
            check_objective=objective_check(job.dream, live=True, fetch=False),
            network_given=dreamer is not None and dreamer.network_given,
        )  # fmt: skip
        self.sound = LiveSound()
        wall = WallControl()
        self.controllers = Controllers(
            job.controllers, self.parameters, self.status, lambda: self._newest, job.source,
            sinks=job.sinks, sound=self.sound if job.sound == "audio" else None, wall=wall,
        )  # fmt: skip
        for sink in job.sinks:
            if not is_window_sink(sink):
                find_route(sink)
        self._window = self._make_window(wall)
        source = live_input or open_live(
            job.source, size=job.camera_size, fps=job.camera_fps,
            sound=self.sound if job.sound in ("auto", "source") else None,
        )  # fmt: skip
        self.capture = Capture(source, job.orientation)
        self._closers.append((source.name, self.capture.close))
        self.capture.start()
        self.pictures = LivePictures()
        self._closers.append(("masks and guides", self.pictures.close))
        make = partial(Dreamer, wait_for_compile=False, pictures=self.pictures)
        if dreamer is None:
            dreamer = make(job.dream)
        flow = open_flow(job.dream.flow, device=job.dream.device)
        self.opened = self._wait_for_source()
        self.fps = min(job.fps or MOST_FPS, float(self.opened.rate))
        painting = self.parameters.painting
        painting.begin(self.opened.width, self.opened.height, kept_painting(job.painting))
        self._painting_file = PaintingFile(painting, job.painting)
        self._closers.append(("what is painted", self._painting_file.write))
        self._open_outputs()
        self._log_start()
        self.pool = LiveDreamerPool(dreamer, make)
        self.pool.refused = self.parameters.take_back
        device = getattr(dreamer, "device", None)
        self.governor = Governor(self.fps, shared=device is None or device.type == "cpu")
        self.dreaming = DreamWorker(self.pool, self.governor, 1.0 / self.fps)
        self._closers.append(("the dream", self.dreaming.close))
        self._closers.append(("controllers", self.controllers.close))
        self.controllers.start((self.opened.width, self.opened.height), self.fps)
        self.parameters.listen(self._changed)
        self.loop = LiveLoop(self._wiring(flow))

    def _changed(self, change: Change) -> None:
        if change.origin != TAKEN_BACK and not change.targets.keys().isdisjoint(DREAMED):
            self.pool.forget_failures()

    def _wait_for_source(self) -> Opened:
        """What the source gives; a stream may come later, what cannot be had is an error now."""
        job = self.job
        is_stream = "://" in job.source or is_whip(job.source)
        found = self.capture.wait(_STREAM_WAIT_S if is_stream else _SOURCE_WAIT_S)
        if found is not None:
            return found
        error = self.capture.error
        if is_stream and not isinstance(error, SinkError):  # which is a port that is taken
            _log.warning("%s: starting without it", error or redact(job.source))
            fps = job.camera_fps or max(_FALLBACK_FPS, job.fps or 0.0)
            return self.capture.begin_without(job.camera_size, fps)
        raise error or SourceError(f"{job.source or 'camera'}: no answer in {_SOURCE_WAIT_S:g} s")

    def _heard(self) -> LiveSound | None:
        """What goes along with the picture. Raises SettingsError where the source is to have it."""
        wanted = self.job.sound
        if wanted == "source" and not self.opened.sound:
            raise SettingsError("sound: the source has none; try --audio NAME --sound audio")
        return self.sound if wanted == "audio" or (self.opened.sound and wanted != "none") else None

    def _open_outputs(self) -> None:
        from livedream.present.live.recording import RecordingOutput

        width, height = self.opened.width, self.opened.height
        rate = Fraction(self.fps).limit_denominator(1001)
        names = [sink for sink in self.job.sinks if not is_window_sink(sink)]
        if self.job.record:
            # A show that is to be dreamed again needs the camera's own pictures.
            names.append(as_recording(self.job.record, both=bool(self.job.controllers.log)))
        sound = self._heard()
        made = [open_output(n, width=width, height=height, rate=rate, sound=sound) for n in names]
        for output in (*made, *self._given_outputs):
            if isinstance(output, RecordingOutput):
                output.began = self.controllers.recorded
            worker = OutputWorker(output)
            self._output_workers.append(worker)
            self._closers.append((output.name, worker.close))

    def _make_window(self, wall: WallControl) -> "Window | None":
        wanted = next((sink for sink in self.job.sinks if is_window_sink(sink)), None)
        if wanted is None:
            return None
        from livedream.control.keys import Keys
        from livedream.present.live.screen import window_options
        from livedream.present.live.window import Window

        job = self.job
        options = window_options(
            wanted, fullscreen=job.fullscreen, display=job.display, overlap=job.overlap
        )
        keys = Keys(self.controllers.show)
        return Window(options, self.parameters, self.status, keys=keys, wall=wall)

    def _wiring(self, flow: FlowEstimator | None) -> Wiring:
        job = self.job
        limiter = None
        if job.limit_flashes:
            from livedream.present.live.flash import FlashLimiter

            limiter = FlashLimiter()
        offers: list[Callable[[LiveFrame], None]] = [
            worker.offer for worker in self._output_workers
        ]
        offers.append(self._keep)
        if self._window is not None:
            offers.append(self.window_slot.put)
        log = self.controllers.log
        return Wiring(
            slot=self.capture.slot,
            parameters=self.parameters,
            publish=self._publish,
            dreaming=self.dreaming,
            governor=self.governor,
            flow=flow,
            picture_size=(self.opened.width, self.opened.height),
            fps=self.fps,
            offers=tuple(offers),
            limiter=limiter,
            still=StillWatch(job.attract_s) if job.attract_s > 0 else None,
            attract=self.controllers.attract.step if job.attract_s > 0 else None,
            watch=self._watch,
            pictures=self.pictures,
            begun_s=time.monotonic() if log is None else log.begun_s,  # a replay goes by the log
        )

    def run(self) -> None:
        """Until the end: the job's seconds, `stop`, or the window closed.

        Raises ShowError when a thread has failed without which there is no show.
        """
        if self.job.seconds is not None:
            self._ends_s = time.monotonic() + self.job.seconds
        with self.supervisor.current():
            self.dreaming.start()
        loop = self.supervisor.start("loop", self._run_loop, essential=True, computes=True)
        self._closers.append(("the loop", loop.close))
        self.supervisor.start("watchdog", self._keep_watch)
        try:
            if self._window is not None:
                from livedream.present.live.desktop import when_x_server_goes

                when_x_server_goes(self._lose_x_server)
                self._window.run(self.window_slot, self.stopping)
                self.stop("the window was closed")
            while not self.stopping.wait(_CHECK_S):  # Windows takes signals in between only
                pass
        finally:
            self.stop("an error" if sys.exc_info()[0] else "")
            self._log_end()
        failure = self.supervisor.failure
        if failure is not None:
            name = self.supervisor.failed_thread
            raise ShowError(f"the show ended: thread {name} failed: {reason(failure)}") from failure

    def _log_start(self) -> None:
        opened, source = self.opened, self.capture.health()
        names = [worker.output.name for worker in self._output_workers]
        names += ["window"] * any(map(is_window_sink, self.job.sinks))
        detail = opened.detail or source.detail
        _log.info("version %s, source %s: %s", __version__, source.name, detail)
        _log.info("%dx%d at %g fps to %s", opened.width, opened.height, self.fps, ", ".join(names))

    def _log_end(self) -> None:
        status = self.status.latest()
        _log.info(
            "the show ended (%s) after %.0f s and %d frames",
            self._end, status.uptime_s, status.frames,
        )  # fmt: skip

    def _lose_x_server(self) -> None:
        """Close everything, as Xlib leaves no way back, and end with the code of a failure."""
        if not self._losing.acquire(blocking=False):  # called again, from another thread
            threading.Event().wait()
        _log.error("the X server has gone, and the window with it")
        self.stop("the X server has gone")
        self._log_end()
        self.close()
        end_children()
        logging.shutdown()
        os._exit(1)

    def _run_loop(self) -> None:
        self.loop.run(self.stopping)
        self.stop()

    def _keep_watch(self) -> None:
        while not self.stopping.wait(min(_CHECK_S, max(0.0, self._ends_s - time.monotonic()))):
            if time.monotonic() >= self._ends_s:
                self.stop("its time is up")
                return
            self._painting_file.write()
            status = self.status.latest()
            self._watchdog.check(status)
            if status.uptime_s > _SETTLED_S:
                self._say_delays(status.latency_ms)

    def _say_delays(self, latency_ms: float) -> None:
        """How much later than sound a picture comes out, where a receiver mixes both; of each
        output once, when it has been reached.  Where sound is sent along, it is in sync."""
        for worker in self._output_workers:
            late = worker.output.delay_ms > 0 and worker.health().state == "ok"
            if late and worker not in self._delays_said:
                self._delays_said.add(worker)
                delay_ms = 10 * round((latency_ms + worker.output.delay_ms) / 10)
                if self._heard() is None:
                    _log.info(
                        "%s: in OBS set the microphone's Sync Offset to %d ms",
                        worker.output.name, delay_ms,
                    )  # fmt: skip
                self.controllers.is_late(worker.output.name, delay_ms)

    def stop(self, reason: str = "") -> None:
        """End the show; returns at once. reason: for the log."""
        self._end = self._end or reason or "stopped"
        self.stopping.set()

    def close(self) -> None:
        """Close everything at once, within a second; what hangs is left to its thread."""
        self.stop()
        self._watchdog.stopping()
        self.window_slot.close()
        closers, self._closers = self._closers, []
        threads = [
            threading.Thread(target=_close, args=closer, name=f"closing {closer[0]}", daemon=True)
            for closer in closers
        ]
        for thread in threads:
            thread.start()
        until_s = time.monotonic() + _CLOSING_S
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))
            if thread.is_alive():
                _log.warning("%s does not stop: abandoned", thread.name)

    def _keep(self, frame: LiveFrame) -> None:
        self._newest = frame

    def _publish(self, status: Status) -> None:
        """The loop's figures, and how everything around it is."""
        outputs = [worker.health() for worker in self._output_workers]
        if self._window is not None:
            outputs.append(self._window.health())
        dream = self.dreaming.health()
        threads = [
            dream if health.name == dream.name and dream.state != "ok" else health
            for health in self.supervisor.health()
        ]
        notes = *self.pool.notes.values(), *self.controllers.notes(), *self.supervisor.notes()
        notes += self.pictures.notes()
        self.status.publish(replace(
            status, source=self.capture.health(), beside=self.pictures.health(),
            outputs=tuple(outputs), threads=tuple(threads), notes=status.notes + notes,
        ))  # fmt: skip


def _close(name: str, close: Callable[[], object]) -> None:
    try:
        close()
    except Exception:  # the others are closed all the same
        _log.exception("%s could not be closed", name)
