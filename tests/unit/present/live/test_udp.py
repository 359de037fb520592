"""MPEG-TS over UDP: where it goes, and what ends it."""

import errno
import os
import socket
from contextlib import AbstractContextManager, closing, nullcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from waiting import PATIENCE_S

from livedream.core.errors import SinkError
from livedream.present.live import LiveFrame, open_output


def test_of_a_name_with_two_addresses_ipv4_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `localhost` has on many systems; whoever receives listens on 127.0.0.1."""

    def both(host: str, port: int, **kind: Any) -> list[Any]:
        found = [(socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
        return [(family, socket.SOCK_DGRAM, 17, "", address) for family, address in found]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    picture = np.zeros((90, 160, 3), np.uint8)
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        address = f"udp://localhost:{receiver.getsockname()[1]}"
        with closing(open_output(address, width=160, height=90, rate=Fraction(25))) as output:
            output.open()
            for number in range(5):
                output.write(LiveFrame(picture, number / 25, number))
            assert receiver.recv(2000)[0] == 0x47


@pytest.mark.parametrize(
    ("group", "level", "option"),
    [
        ("239.1.1.1", socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
        ("[ff15::7]", socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS),
    ],
)
def test_how_far_a_multicast_group_goes_is_as_it_was_asked(
    group: str, level: int, option: int
) -> None:
    if ":" in group and not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    address = f"udp://{group}:9000?ttl=7"
    with closing(open_output(address, width=160, height=90, rate=Fraction(25))) as output:
        try:
            output.open()
        except OSError as error:
            pytest.skip(f"this machine has no IPv6 ({error})")
        assert vars(output)["_socket"].getsockopt(level, option) == 7


@pytest.mark.parametrize(
    ("number", "ends"),
    [
        (errno.EAGAIN, nullcontext()),
        (errno.ENOBUFS, nullcontext()),  # on macOS
        (errno.ENETUNREACH, pytest.raises(SinkError, match="Network is unreachable")),
    ],
)
def test_a_full_buffer_does_not_end_the_stream(
    number: int, ends: AbstractContextManager[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(socket.socket):
        def sendto(self, *_: Any) -> int:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Refusing)
    picture = np.zeros((90, 160, 3), np.uint8)
    output = open_output("udp://127.0.0.1:9000", width=160, height=90, rate=Fraction(25))
    with closing(output), ends:
        output.open()
        for count in range(5):
            output.write(LiveFrame(picture, count / 25, count))
