"""What sends a stream: MPEG-TS over UDP from a process of its own, MJPEG over HTTP and H.264 over
RTSP from threads.

Run as a program it sends until it is killed: senders.py PORT WIDTH HEIGHT FPS. The time, in
milliseconds of the monotonic clock, is drawn into the pixels: 24 blocks in the top row, each 16 px
wide and high, black 0 and white 1, the highest bit first.
"""

import base64
import contextlib
import hashlib
import re
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np

from livedream.core.frame import Picture

BITS, BLOCK_PX = 24, 16


def stamp(rgb: Picture, milliseconds: int) -> None:
    """Write a number into the top row of blocks, in place."""
    for bit in range(BITS):
        value = 235 if milliseconds >> (BITS - 1 - bit) & 1 else 16
        rgb[:BLOCK_PX, bit * BLOCK_PX : (bit + 1) * BLOCK_PX] = value


def read_stamp(rgb: Picture) -> int:
    """The number in the top row."""
    found = 0
    for bit in range(BITS):
        block = rgb[4 : BLOCK_PX - 4, bit * BLOCK_PX + 4 : (bit + 1) * BLOCK_PX - 4]
        found = found << 1 | int(block.mean() > 125)
    return found


def now_ms() -> int:
    return int(time.monotonic() * 1000) % (1 << BITS)


def scene(width: int, height: int) -> Picture:
    """A smooth texture, wider than the picture, to be panned over."""
    noise = np.random.default_rng(5).normal(size=(height, 2 * width, 3)).astype(np.float32)
    smooth = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (2.0, 6.0, 16.0))
    return np.clip(128 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def send_udp(port: int, width: int, height: int, fps: int) -> None:
    """MPEG-TS as a camera's encoder sends it, until the process is killed."""
    url = f"udp://127.0.0.1:{port}?pkt_size=1316"
    out = av.open(url, "w", format="mpegts", options={"flush_packets": "1"})
    stream = out.add_stream("libx264", rate=fps)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(fps // 2), "crf": "18"}
    stream.codec_context.time_base = Fraction(1, fps)
    wide, start, index = scene(width, height), time.monotonic(), 0
    while True:
        x = index % width
        rgb = wide[:, x : x + width].copy()
        stamp(rgb, now_ms())
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, fps)
        out.mux(stream.encode(frame))
        if index == 0:
            print(time.monotonic(), flush=True)
        index += 1
        time.sleep(max(0.0, start + index / fps - time.monotonic()))


class UdpSender:
    """`send_udp` in a process of its own, which may be killed and started again."""

    def __init__(self, port: int, width: int = 640, height: int = 360, fps: int = 25) -> None:
        self._line = [sys.executable, __file__, *map(str, (port, width, height, fps))]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Returns the monotonic time at which the first packet went out."""
        self._process = subprocess.Popen(self._line, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def __enter__(self) -> "UdpSender":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


class MjpegServer:
    """An IP camera's HTTP stream: multipart JPEG at 25 frames per second.

    kind: what it does otherwise than most: "dashed" and "quoted" names of the boundary,
    "unmarked" (none before the first picture), "unmeasured" (no Content-Length), "bare" (lines end
    in LF), "jpg" (image/jpg).
    """

    def __init__(self, width: int = 320, height: int = 180, kind: str = "") -> None:
        named = {"dashed": "--frame", "quoted": '"frame"'}.get(kind, "frame")
        line = "\n" if kind == "bare" else "\r\n"
        media = "image/jpg" if kind == "jpg" else "image/jpeg"
        self.stopping = threading.Event()
        wide = scene(width, height)
        stopping = self.stopping

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace;boundary={named}")
                self.end_headers()
                index = 0
                while not stopping.is_set():
                    rgb = wide[:, index % width : index % width + width]
                    _, jpeg = cv2.imencode(".jpg", rgb[..., ::-1])
                    body = jpeg.tobytes()
                    head = "" if kind == "unmarked" and index == 0 else f"--frame{line}"
                    head += f"Content-Type: {media}{line}"
                    if kind != "unmeasured":
                        head += f"Content-Length: {len(body)}{line}"
                    try:
                        self.wfile.write(f"{head}{line}".encode() + body + line.encode())
                    except OSError:
                        return
                    index += 1
                    stopping.wait(0.04)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/video.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "MjpegServer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _coded(width: int, height: int, fps: int) -> list[list[bytes]]:
    """Two seconds of H.264: the NAL units of each picture."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, fps)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    wide, packets = scene(width, height), []
    for index in range(2 * fps):
        rgb = wide[:, index : index + width].copy()
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts = index
        packets += encoder.encode(frame)
    units = (re.split(b"\0\0\0?\1", bytes(packet)) for packet in packets)
    return [[unit for unit in one if unit] for one in units]


class RtspServer:
    """An IP camera: H.264 in RTP in the RTSP connection, behind user and password (digest).

    password: may be changed while it runs.  answering: cleared, it accepts and says nothing.
    played: connections that got pictures.  udp: RTP in datagrams, and no other way.  keyframes:
    whether it sends any.
    """

    def __init__(
        self, user: str, password: str, port: int = 0, *, udp: bool = False, keyframes: bool = True
    ) -> None:
        self._udp, self._keyframes = udp, keyframes
        self.user, self.password = user, password
        self.answering = threading.Event()
        self.answering.set()
        self.played = self.refused = 0
        self.pictures, self.fps = _coded(320, 180, 25), 25
        self._links: list[socket.socket] = []
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                server._links.append(self.connection)
                try:
                    server._converse(self.rfile, self.connection)
                except OSError:
                    return

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = allow_reuse_address = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "RtspServer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self.answering.set()
        self.hang_up()
        self._server.server_close()
        self._thread.join()

    def hang_up(self) -> None:
        """End all connections; new ones may come."""
        links, self._links = self._links, []
        for link in links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            if link.type == socket.SOCK_DGRAM:
                link.close()

    def _converse(self, asked: "socketserver._BufferedIOBase", link: socket.socket) -> None:
        while first := asked.read(1):
            if first == b"$":  # the receiver's reports
                asked.read(struct.unpack(">xH", asked.read(3))[0])
                continue
            self.answering.wait()
            line = (first + asked.readline()).decode().split()
            fields = {}
            while (more := asked.readline().decode().strip()) != "":
                name, _, value = more.partition(":")
                fields[name.lower()] = value.strip()
            answer = {"CSeq": fields["cseq"]}
            status, body = "200 OK", ""
            if line[0] != "OPTIONS" and not self._knows(line[0], fields.get("authorization", "")):
                status = "401 Unauthorized"
                answer["WWW-Authenticate"] = 'Digest realm="camera", nonce="n"'
                self.refused += 1
            elif line[0] == "DESCRIBE":
                sets = (unit for unit in self.pictures[0] if unit[0] & 31 in (7, 8))
                parameters = b",".join(map(base64.b64encode, sets))
                body = (
                    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
                    "a=rtpmap:96 H264/90000\r\na=control:video\r\na=fmtp:96 packetization-mode=1;"
                    f"sprop-parameter-sets={parameters.decode()}\r\n"
                )
                answer |= {"Content-Type": "application/sdp", "Content-Length": str(len(body))}
            elif line[0] == "SETUP" and self._udp:
                port = re.search(r"client_port=(\d+)", fields["transport"])
                if port is None:
                    status = "461 Unsupported transport"
                else:
                    taken = f"RTP/AVP;unicast;client_port={port[1]}-{int(port[1]) + 1}"
                    answer |= {"Transport": f"{taken};server_port=9-10", "Session": "1"}
                    receiver = ("127.0.0.1", int(port[1]))
            elif line[0] == "SETUP":
                answer |= {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1", "Session": "1"}
            head = "".join(f"{name}: {value}\r\n" for name, value in answer.items())
            link.sendall(f"RTSP/1.0 {status}\r\n{head}\r\n{body}".encode())
            if line[0] == "PLAY" and status[0] == "2":
                self.played += 1
                if self._udp:
                    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    link.connect(receiver)
                    self._links.append(link)
                threading.Thread(target=self._play, args=(link,), daemon=True).start()

    def _knows(self, method: str, found: str) -> bool:
        given = dict(re.findall(r'(\w+)="([^"]*)"', found))

        def digest(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        who = digest(self.user, "camera", self.password)
        return given.get("response") == digest(who, "n", digest(method, given.get("uri", "")))

    def _play(self, link: socket.socket) -> None:
        start, number = time.monotonic(), 0
        for index in range(10**6):
            units = self.pictures[index % len(self.pictures)]
            if not self._keyframes and index % len(self.pictures) == 0:
                continue
            for unit in units:
                parts = [unit]
                if len(unit) > 1300:  # fragments, RFC 6184, 5.8
                    begins = range(1, len(unit), 1300)
                    parts = [
                        bytes([unit[0] & 0xE0 | 28, unit[0] & 31
                               | (begin == 1) << 7 | (begin == begins[-1]) << 6])
                        + unit[begin : begin + 1300]
                        for begin in begins
                    ]  # fmt: skip
                for part in parts:
                    last = unit is units[-1] and part is parts[-1]
                    head = struct.pack(
                        ">BBHII", 0x80, 96 | last << 7, number & 0xFFFF,
                        index * 90_000 // self.fps & 0xFFFFFFFF, 7,
                    )  # fmt: skip
                    number += 1
                    mark = struct.pack(">cBH", b"$", 0, len(head + part))
                    try:
                        link.sendall(head + part if self._udp else mark + head + part)
                    except OSError:
                        return
            time.sleep(max(0.0, start + (index + 1) / self.fps - time.monotonic()))


if __name__ == "__main__":
    send_udp(*(int(text) for text in sys.argv[1:5]))
