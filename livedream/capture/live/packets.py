"""Packets of a stream, read ahead in a thread of their own, so that nobody waits inside FFmpeg."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import av

from livedream.core.supervisor import start_thread

_MOST_BYTES: Final = 64_000_000  # what is read ahead at most, whatever it lasts


class PacketReader:
    """Reads streams of a container, which is its own from now on and closed with it.

    streams: the picture's, and the sound's where it is wanted.  ahead_s: how much of them is read
    ahead.  most: as a number of the picture's packets.
    """

    def __init__(
        self, container: av.container.InputContainer, streams: Sequence[Any], *,
        ahead_s: float, most: int,
    ) -> None:  # fmt: skip
        self._container, self._streams = container, streams
        self._ahead_s, self._most = ahead_s, most
        self._packets: deque[Any] = deque()
        self._pictures = 0  # packets of them
        self._changed = threading.Condition()
        self._end: Exception | None = None
        self._closed = False
        self._thread = start_thread("stream", self._run, restart=False)

    def get(self, timeout_s: float) -> Any:
        """The next packet; None where none came. Raises what ended the stream, or EOFError."""
        with self._changed:
            self._changed.wait_for(lambda: self._packets or self._end, timeout_s)
            if self._packets:
                self._changed.notify_all()
                packet = self._packets.popleft()
                self._pictures -= packet.stream is self._streams[0]
                return packet
            if self._end is not None:
                raise self._end
            return None

    def close(self) -> None:
        """At once; what FFmpeg is waiting for meanwhile is left to the thread."""
        with self._changed:
            if not self._closed and self._end is not None:
                self._container.close()
            self._closed = True
            self._packets.clear()
            self._pictures = 0
            self._changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait until nothing is read any more."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        end: Exception = EOFError()
        try:
            for packet in self._container.demux(*self._streams):
                if not self._put(packet):
                    break
        except (av.FFmpegError, OSError, IndexError) as error:
            # IndexError: PyAV trips over a stream that came later (18.1).  Its traceback holds us.
            end = error.with_traceback(None)
        with self._changed:
            self._end = end
            if self._closed:
                self._container.close()
            self._changed.notify_all()

    def _put(self, packet: Any) -> bool:
        """Whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._is_full())
            self._packets.append(packet)
            self._pictures += packet.stream is self._streams[0]
            self._changed.notify_all()
            return not self._closed

    def _is_full(self) -> bool:
        packets = self._packets
        if len(packets) < 2:
            return False
        first, last = packets[0], packets[-1]
        passed_s = 0.0
        if None not in (first.dts, last.dts) and first.time_base and last.time_base:
            passed_s = float(last.dts * last.time_base - first.dts * first.time_base)
        size = sum(packet.size for packet in packets)
        return passed_s >= self._ahead_s or self._pictures >= self._most or size >= _MOST_BYTES
