"""Encoded packets and their times in seconds."""

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    Packet = av.Packet[Any]  # generic in the stubs only
else:
    Packet = av.Packet


def decoding_time(packet: Packet) -> Fraction:
    """When the packet is to be decoded, in seconds; 0 when it does not say."""
    return (packet.dts or 0) * packet.time_base


def end_time(packet: Packet) -> Fraction:
    """When what it shows ends, in seconds."""
    return ((packet.pts or 0) + (packet.duration or 0)) * packet.time_base
