"""MPEG-TS over UDP: for OBS's Media Source, VLC, ffplay and everything else that reads it.

FFmpeg muxes into memory and the datagrams are sent from here: a socket that never blocks, for
receivers that come and go as they like. (FFmpeg's own UDP would look a name up while holding the
interpreter still.)
"""

import errno
import socket
from fractions import Fraction
from typing import Any, Final

from livedream.core.addresses import Address
from livedream.core.errors import SinkError, os_reason
from livedream.core.live_sound import LiveSound
from livedream.present.live import LiveFrame
from livedream.present.live.encoding import StreamMuxer, read_options

_TS_PACKET: Final = 188  # bytes, ISO/IEC 13818-1
_SEND_BUFFER: Final = 4 << 20  # bytes: a whole keyframe leaves at once


class UdpOutput:
    """`udp://HOST:PORT?bitrate=6M&keyframe=1&encoder=auto&pkt_size=1316&ttl=1`.

    HOST may be a multicast group (ttl: how far it goes).
    """

    delay_ms = 300.0  # in OBS, docs/obs.md; a bare receiver: 50
    reached = True

    def __init__(
        self, address: Address, width: int, height: int, rate: Fraction,
        sound: LiveSound | None = None,
    ) -> None:  # fmt: skip
        self._sound = sound
        self.name = f"udp {address.rest}"
        self._receiver = address.endpoint("127.0.0.1:")
        # A receiver that joins waits for the next keyframe twice: to know the stream, to decode.
        self._options = read_options(address, width, height, rate, keyframe_s=0.5)
        size = int(address.number("pkt_size", 1316, _TS_PACKET, 65_424))
        self._datagram = size - size % _TS_PACKET
        self._ttl = int(address.number("ttl", 1, 0, 255))
        address.finish()
        self._socket: socket.socket | None = None
        self._target: Any = None
        self._muxer: StreamMuxer | None = None

    def open(self) -> None:
        try:
            found = socket.getaddrinfo(
                self._receiver.host, self._receiver.port, type=socket.SOCK_DGRAM
            )
        except OSError as error:
            raise SinkError(f"no such host ({os_reason(error)})") from error
        # Of a name with both (localhost), IPv4: there whoever reads `udp://` listens, OBS too.
        found.sort(key=lambda one: one[0] != socket.AF_INET)
        family, kind, protocol, _, self._target = found[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if family == socket.AF_INET:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, self._ttl)
        else:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, self._ttl)
        # The length of each picture in its header lets a receiver show it at once instead of
        # waiting for the next; tables ten times a second let it join at once. Sound is not gathered
        # until there is a packet full of it, eight pieces.
        self._muxer = StreamMuxer(
            self._options, "mpegts", self._sound, muxdelay="0", muxpreload="0",
            omit_video_pes_length="0", pat_period="0.1", pes_payload_size="0",
        )  # fmt: skip

    def write(self, frame: LiveFrame) -> None:
        assert self._muxer is not None, "open comes first"
        self._send(self._muxer.encode(frame))

    def _send(self, stream: bytes) -> None:
        assert self._socket is not None, "open comes first"
        for begin in range(0, len(stream), self._datagram):
            try:
                self._socket.sendto(stream[begin : begin + self._datagram], self._target)
            except OSError as error:
                # A full buffer (macOS has a word of its own), or nobody listens: UDP may lose, the
                # stream goes on.
                lost = isinstance(error, BlockingIOError | ConnectionRefusedError)
                if not lost and error.errno != errno.ENOBUFS:
                    raise SinkError(os_reason(error)) from error

    def close(self) -> None:
        if self._muxer is not None:
            self._muxer.close()
            self._muxer = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
