"""HOST:PORT texts, and who may talk to what listens there."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import parse_qs

from livedream.core.errors import SettingsError

__all__ = ["Address", "read_address"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. allow: networks besides this machine that may talk."""

    host: str
    port: int
    allow: tuple[Network, ...] = ()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def admits(self, host: str) -> bool:
        """Whether a datagram or connection from `host` is welcome."""
        try:
            found = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return found.is_loopback or any(found in network for network in self.allow)


def read_address(text: str, default: str, *, name: str) -> Address:
    """`HOST:PORT`, `:PORT`, `PORT` or `HOST`, with `?allow=192.168.1.0/24,10.0.0.7`.

    default: HOST:PORT that fills in what is missing.  Raises SettingsError for anything else.
    """
    default_host, _, default_port = default.rpartition(":")
    place, _, query = text.partition("?")
    if place.isdecimal():
        place = f":{place}"
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, port = place, ""
    host = host.strip("[]") or default_host
    try:
        number = int(port or default_port)
        options = parse_qs(query, strict_parsing=bool(query))
        allow = tuple(
            ipaddress.ip_network(one.strip(), strict=False)
            for value in options.pop("allow", [])
            for one in value.split(",")
        )
    except ValueError as error:
        raise SettingsError(f"{name}: {text!r} found, as {default} wanted ({error})") from error
    if options or not 0 <= number <= 65535:
        raise SettingsError(
            f"{name}: {text!r} found, HOST:PORT wanted, as {default}?allow=192.168.1.0/24"
        )
    return Address(host, number, allow)
