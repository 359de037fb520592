"""Streams as cameras, encoders and web servers send them, made and sent by the test itself.

The number of a picture is drawn into its top row (`senders.stamp`).
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from live.senders import stamp

from livedream.core.frame import Picture

FPS = 25
SIZE = (416, 240)


def film(
    count: int,
    *,
    first: int = 0,
    codec: str = "libx264",
    size: tuple[int, int] = SIZE,
    format: str = "mpegts",
    group: int = FPS,
    pixels: str = "yuv420p",
    context: dict[str, Any] | None = None,
    sound_s: float = 0.0,
    video: bool = True,
    options: dict[str, str] | None = None,
    draw: Callable[[int], Picture] | None = None,
    turned: int = 0,
) -> bytes:
    """`count` pictures from number `first` on, their time by their number.

    group: pictures between keyframes.  context, options: of the encoder.  draw: other pictures.
    turned: by so many degrees, as a camera says in the stream itself (an SEI message of H.264).
    sound_s: of sound, from the first second on; the pictures begin at their own time.
    """
    folder = TemporaryDirectory()  # the index of MP4 goes to the front in a file only
    path, muxing = Path(folder.name) / "film", {}
    if format == "mp4":
        muxing["movflags"] = "+faststart"
    with folder, av.open(str(path), "w", format=format, options=muxing) as out:
        packets: list[Any] = []
        if video:
            stream: Any = out.add_stream(codec, rate=FPS)
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            if codec.startswith("libx26"):
                stream.options = {"preset": "ultrafast", "tune": "zerolatency", **(options or {})}
            stream.codec_context.gop_size = group
            for name, value in (context or {}).items():
                setattr(stream.codec_context, name, value)
            for index in range(first, first + count):
                rgb = np.full((size[1], size[0], 3), 90, np.uint8) if draw is None else draw(index)
                if draw is None:
                    stamp(rgb, index)
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, FPS)
                packets += stream.encode(frame)
            packets += stream.encode(None)
            if turned:
                marked = av.BitStreamFilterContext(
                    f"h264_metadata=display_orientation=insert:rotate={turned}", stream
                )
                packets = [one for packet in packets for one in marked.filter(packet)]
        if sound_s:
            track: Any = out.add_stream("mp2", rate=48000)
            for index in range(int(sound_s * 48000 / 1152)):
                silence = np.zeros((1, 2 * 1152), np.int16)
                heard = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
                heard.pts, heard.rate, heard.time_base = 1152 * index, 48000, Fraction(1, 48000)
                packets += track.encode(heard)
        for packet in sorted(packets, key=lambda one: one.dts * one.time_base):
            out.mux(packet)
        out.close()
        return path.read_bytes()


@contextmanager
def datagrams(port: int, parts: Iterable[tuple[bytes, float]]) -> Iterator[None]:
    """Sends each part, evenly spread over its seconds, from a thread."""
    stopping = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            for part, seconds in parts:
                begun_s, count = time.monotonic(), max(1, -(-len(part) // 1316))
                for index in range(count):
                    link.sendto(part[1316 * index :][:1316], ("127.0.0.1", port))
                    if stopping.wait(
                        max(0.0, begun_s + index * seconds / count - time.monotonic())
                    ):
                        return

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@contextmanager
def web(
    answer: Callable[[str], tuple[str, bytes] | None], *, says_size: bool = True
) -> Iterator[str]:
    """A web server; answer: content type and content for a path, None where there is nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answer(self.path)
            self.send_response(404 if found is None else 200)
            kind, content = found or ("text/plain", b"nothing")
            self.send_header("Content-Type", kind)
            if says_size:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class GrowingPlaylist:
    """Live HLS: another piece is listed every `piece_s`, the newest five at a time.

    piece: makes it, from its number.  listed: the newest, each time the list was fetched.
    """

    def __init__(self, piece: Callable[[int], bytes], piece_s: float) -> None:
        self._piece, self._piece_s = piece, piece_s
        self._begun_s = time.monotonic() - 6 * piece_s
        self.listed: list[int] = []

    def __call__(self, path: str) -> tuple[str, bytes] | None:
        if path.endswith(".m3u8"):
            last = int((time.monotonic() - self._begun_s) / self._piece_s) - 1
            self.listed.append(last)
            first = last - 4
            lines = ["#EXTM3U", "#EXT-X-VERSION:3",
                     f"#EXT-X-TARGETDURATION:{-(-self._piece_s // 1):.0f}",
                     f"#EXT-X-MEDIA-SEQUENCE:{first}"]  # fmt: skip
            for index in range(first, last + 1):
                lines += [f"#EXTINF:{self._piece_s},", f"{index}.ts"]
            return "application/vnd.apple.mpegurl", "\n".join([*lines, ""]).encode()
        return "video/mp2t", self._piece(int(path.strip("/").partition(".")[0]))
