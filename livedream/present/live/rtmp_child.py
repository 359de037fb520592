"""The child that carries FLV from its standard input to an RTMP server.

    python -m livedream.present.live.rtmp_child < ADDRESS, a newline, FLV

The address comes that way because arguments are seen by everybody on the machine, and it holds the
stream key. Once the server takes the stream, the child says so in a line. It ends when its input
does, when the server goes, and, where the system has alarms, when nothing has moved for ten
seconds. The last line among its errors is the reason.
"""

import io
import signal
import sys
from typing import Final

import av

_SILENCE_S: Final = 10  # heuristic
_LIVE: Final = {
    "flvflags": "no_duration_filesize",
    "rtmp_live": "live",
    "flush_packets": "1",
    "max_interleave_delta": "1",
    "tcp_nodelay": "1",
}


def _still_alive() -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(_SILENCE_S)  # its default ends the process, also inside FFmpeg


class _AsItComes:
    """Standard input, of which a read gives what is there.

    A buffered file's waits for all that was asked for, which is 32 KiB here: twelve seconds of a
    black picture, longer than the child may be silent.
    """

    def read(self, size: int) -> bytes:
        assert isinstance(sys.stdin.buffer, io.BufferedReader)
        return sys.stdin.buffer.read1(size)


def relay(target: str) -> None:
    """Read packets and send each as it comes. Raises av.FFmpegError when the server is gone."""
    _still_alive()
    options = {"fflags": "nobuffer", "probesize": "4096", "analyzeduration": "0"}
    with (
        av.open(_AsItComes(), "r", format="flv", container_options=options) as source,
        av.open(target, "w", format="flv", container_options=_LIVE) as out,
    ):
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in source.streams}
        out.start_encoding()
        print("connected", flush=True)
        begin = None
        for packet in source.demux():
            if packet.dts is None:
                continue
            begin = packet.dts if begin is None else begin
            # Sound may come a second late, from before the first picture that goes out. FLV's muxer
            # takes nothing from before its first packet, and whoever watches has no picture for it.
            if packet.dts < begin:
                continue
            packet.stream = streams[packet.stream.index]
            out.mux_one(packet)
            _still_alive()


def main() -> int:
    av.logging.set_level(None)
    try:
        relay(sys.stdin.buffer.readline().decode().rstrip("\n"))
    except (av.FFmpegError, OSError) as error:
        print(getattr(error, "strerror", None) or type(error).__name__, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
