"""Addresses as a person writes them: `scheme://host:port/path?option=value`, `scheme:rest?...`.

Whoever reads an address takes its options by kind and at the end asks for those that nobody read:
a misspelt option is an error, never silence. `{env:NAME}` and `{file:PATH}` anywhere in an address
stand for a secret that is kept elsewhere (`resolved`).
"""

import ipaddress
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

from livedream.core.errors import SettingsError, SinkError
from livedream.core.redact import MASK, SECRET_NAMES, redact

# Of a stream that is sent, for the encoder; none of them goes out in the address.
STREAM_OPTIONS: Final = ("bitrate", "keyframe", "encoder")

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_PLACEHOLDER: Final = re.compile(r"\{(env|file):([^{}]+)\}")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:@]*)(:[0-9]{0,6})?")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:%-]|%(?![0-9A-Fa-f]{2})")
_SECRET: Final = re.compile(rf"[?&/;]({'|'.join(SECRET_NAMES)})=([^&]+)", re.IGNORECASE)
_OPTION: Final = re.compile("[?&]([^=&]+)=([^&]+)")
_PAIR: Final = re.compile(rf"(?:{_PLACEHOLDER.pattern}|[^&])+")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen. allow: networks besides this machine that may talk."""

    host: str
    port: int
    allow: tuple[Network, ...] = ()

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def multicast(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_multicast
        except ValueError:
            return False

    def bind(self, name: str, kind: socket.SocketKind) -> socket.socket:
        """A socket that listens here. name: of who does.  Raises SinkError when it cannot."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        opened = socket.socket(family, kind)
        try:
            # Of UDP, and of TCP on Windows, two could then have the same port.
            if kind == socket.SOCK_STREAM and sys.platform != "win32":
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((self.host, self.port))
            if kind == socket.SOCK_STREAM:
                opened.listen(64)
        except (OSError, OverflowError) as error:
            opened.close()
            raise SinkError(
                f"{name}: {self} cannot be opened ({error}); "
                "another program may have it: give another port"
            ) from error
        return opened

    def admits(self, host: str) -> bool:
        """Whether a datagram or connection from `host` is welcome."""
        try:
            found = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return found.is_loopback or any(found in network for network in self.allow)


@dataclass(slots=True)
class Address:
    """shown: as it was written, fit to show.  rest: between scheme and options, without leading
    slashes.  query: the options as they were written."""

    shown: str
    scheme: str
    rest: str
    query: str
    options: dict[str, str]
    _read: set[str] = field(default_factory=set)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values of the options, as they were written."""
        parts = (one[0].partition("=") for one in _PAIR.finditer(self.query))
        return [(name, value) for name, _, value in parts]

    @property
    def is_near(self) -> bool:
        """Whether its host is this machine, or by its address or name one of the same network."""
        found = re.match(r"(?:[^/]*@)?(\[[^\]]*\]|[^:/]*)", self.rest)
        host = found[1].strip("[]") if found else ""
        try:
            return ipaddress.ip_address(host).is_private  # so is this machine's
        except ValueError:
            return "." not in host or host.endswith((".local", ".lan"))

    def _take(self, name: str) -> str | None:
        self._read.add(name)
        return self.options.get(name)

    def wrong(self, name: str, wanted: str) -> SettingsError:
        return SettingsError(f"{self.shown}: {name} must be {wanted} (got {self.options[name]})")

    def word(self, name: str, default: str, choices: tuple[str, ...] = ()) -> str:
        found = self._take(name)
        if found is None:
            return default
        if choices and found not in choices:
            raise self.wrong(name, "one of " + ", ".join(choices))
        return resolved(found)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """A number with an optional k, M, G or T (powers of ten) behind it; B is ignored."""
        found = self._take(name)
        if found is None:
            return default
        digits = found.lower().removesuffix("b")
        unit = digits[-1:] if digits[-1:].isalpha() else ""
        try:
            value = float(digits.removesuffix(unit)) * _UNITS[unit]
        except (ValueError, KeyError):
            value = float("nan")
        if not least <= value <= most:
            raise self.wrong(name, f"{least:g} to {most:g}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        found = self._take(name)
        if found is None:
            return default
        if found.lower() in ("1", "yes", "true", "on", ""):
            return True
        if found.lower() in ("0", "no", "false", "off"):
            return False
        raise self.wrong(name, "yes or no")

    def endpoint(self, default: str, *, listens: bool = False) -> Endpoint:
        """`HOST:PORT`, `[::1]:PORT`, `:PORT`, `PORT` or `HOST`.

        default: HOST:PORT for what is missing; `HOST:` where a port must be given.  listens: with
        `?allow=192.168.1.0/24,...`, and port 0 is any free one.
        """
        default_host, _, default_port = default.rpartition(":")
        text = self.rest.split("/", 1)[0].removeprefix("@")
        if "@" in text:
            raise SettingsError(f"{self.shown}: a user or password is not for this address")
        host, colon, port = text.rpartition(":")
        if text.isdecimal():
            host, port = "", text
        elif not colon or text.endswith("]"):
            host, port = text, ""
        port = port or default_port
        least = 0 if listens else 1
        if not re.fullmatch("[0-9]{1,5}", port) or not least <= int(port) <= 65535:
            got = f" (got {port})" if port.isdigit() else ""  # else it may be part of a password
            raise SettingsError(f"{self.shown}: the port must be {least} to 65535{got}")
        allow = self._take("allow") if listens else None
        try:
            networks = [ipaddress.ip_network(one.strip(), strict=False)
                        for one in (allow or "").split(",") if allow is not None]  # fmt: skip
        except ValueError:
            raise self.wrong("allow", "addresses or networks, such as 192.168.1.0/24") from None
        return Endpoint(host.strip("[]") or default_host, int(port), tuple(networks))

    def finish(self) -> None:
        """Raise SettingsError for an option that was given but not read."""
        unknown = sorted(set(self.options) - self._read)
        if unknown:
            known = ", ".join(sorted(self._read)) or "none"
            raise SettingsError(
                f"{self.shown}: option {unknown[0]!r} is not known; there are {known}"
            )


def parse_address(text: str) -> Address:
    """`text` taken apart; the scheme is everything before the first colon, in lower case."""
    where, _, query = quoted_user(text).partition("?")
    scheme, _, rest = where.partition(":")  # "window?display=1" has none
    options: dict[str, str] = {}
    plain = _PLACEHOLDER.sub(lambda one: quote(one[0], safe=""), query)  # a path may have an & or +
    for name, value in parse_qsl(plain, keep_blank_values=True):
        options[name] = f"{options[name]},{value}" if name in options else value
    return Address(redact(text), scheme.lower(), rest.removeprefix("//"), query, options)


def quoted_user(text: str) -> str:
    """`text` with its user and password percent-encoded, as FFmpeg and every server expect them.

    What holds a # or /, ? or @ itself is told from the rest by what follows: host and port.
    What is percent-encoded already stays, and so does what names no user.
    """
    scheme, separator, rest = text.partition("://")
    at = _end_of_user(_without_placeholders(rest))
    if not separator or at <= 0:
        return text
    begin = 0
    user = ""
    for match in [*_PLACEHOLDER.finditer(rest, 0, at), None]:
        until = match.start() if match else at
        user += _UNSAFE.sub(lambda one: quote(one[0], safe=""), rest[begin:until])
        user += match[0] if match else ""
        begin = match.end() if match else at
    return f"{scheme}://{user}{rest[at:]}"


def has_placeholder(text: str) -> bool:
    """Whether an {env:NAME} or {file:PATH} is in it."""
    return _PLACEHOLDER.search(text) is not None


def holds_secret(text: str) -> bool:
    """Whether a password or key is written out in it. A user beside a placeholder is none."""
    plain = re.sub(rf"//[^/@:\s]*:?({_PLACEHOLDER.pattern})@", r"//\1@", text)
    return without_secrets(plain, lambda _: MASK) != plain or (
        not has_placeholder(text) and redact(text) != text
    )


def _without_placeholders(text: str) -> str:
    """`text` with placeholders of the same length that nothing in an address is told by."""
    return _PLACEHOLDER.sub(lambda match: "_" * len(match[0]), text)


def _end_of_user(rest: str) -> int:
    """Where the @ behind the user is in what follows `://`, 0 or less where there is no user."""
    end = len(re.split("[/?#]", rest, maxsplit=1)[0])
    at = rest.rfind("@", 0, end)
    if rest[end : end + 1] == "#" or not _HOST.fullmatch(rest, at + 1, end):
        at = max(at, rest.rfind("@"))
    return at


def without_secrets(text: str, keep: Callable[[str], str]) -> str:
    """An address with each of its secrets replaced by what `keep` makes of it, a placeholder.

    Secrets are user and password, options of a secret's name, and of an RTMP address the stream
    key, which is the last part of the path, and every option that is not for the encoder: services
    put a part of the key there.  What is a placeholder already stays.
    """
    made, done = "", 0
    for first, end, spelled in _secrets_in(text):
        begin = first
        for match in [*_PLACEHOLDER.finditer(text, begin, end), None]:
            until = match.start() if match else end
            if text[begin:until]:
                made += text[done:begin] + keep(spelled(text[begin:until]))
                done = until
            begin = match.end() if match else end
    return made + text[done:]


def _secrets_in(text: str) -> Iterator[tuple[int, int, Callable[[str], str]]]:
    """Where an address's secrets begin and end, and how each is spelled where it is kept."""
    plain = _without_placeholders(text)
    scheme, separator, rest = plain.partition("://")
    scheme, begin = scheme.lower(), len(scheme + separator)
    if not separator:
        return
    host = begin
    if (at := _end_of_user(rest)) > 0:
        host += at
        colon = plain.find(":", begin, host)
        name = colon if colon >= 0 else host
        yield begin, name, unquote  # `resolved` percent-encodes it
        yield min(name + 1, host), host, unquote
    question = plain.find("?", host)
    end = question if question >= 0 else len(plain)
    if scheme.startswith("rtmp"):
        if (slash := plain.rfind("/", host, end)) >= 0:
            yield slash + 1, end, str
        for option in _OPTION.finditer(plain, end):
            if option[1] not in STREAM_OPTIONS:
                yield *option.span(2), str
        return
    for option in (*_SECRET.finditer(plain, host, end), *_SECRET.finditer(plain, end)):
        # As it is read: from the options, or in an address that goes on as it is.
        is_ours = scheme in ("srt", "rist") or (
            option[1] == "token" and scheme.partition(":")[0] in ("whip", "browser")
        )
        yield *option.span(2), unquote_plus if is_ours else str


def stream_url(text: str) -> str:
    """A stream's address as FFmpeg reads it: secrets `resolved`, the user percent-encoded.

    Raises SettingsError for a port that is none, without what may be part of a password.
    """
    found = quoted_user(resolved(quoted_user(text)))
    scheme, _, rest = found.partition("://")
    host = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    if _HOST.fullmatch(host) and (not colon or port == "" or 1 <= int(port) <= 65535):
        return f"{scheme.lower()}://{rest}"
    if "@" in text:
        raise SettingsError(
            f"{scheme}://{MASK}: the port must be 1 to 65535; in a user or password "
            "write # as %23, / as %2F, ? as %3F, : as %3A and an at sign as %40"
        )
    got = f" (got {port})" if port.isdigit() else ""
    raise SettingsError(f"{scheme}://{name}: the port must be 1 to 65535{got}")


def srt_options(address: Address, options: dict[str, str]) -> dict[str, str]:
    """The options as FFmpeg counts them: latency, which is in ms, as OBS has it, in microseconds.

    Raises SettingsError where the address has no port.
    """
    if not address.rest.rpartition(":")[2].isdigit():
        raise SettingsError(f"{address.shown}: no port: write srt://127.0.0.1:9000")
    if "latency" not in options:
        return options
    latency_us = round(address.number("latency", 120, 20, 8000) * 1000)
    return {**options, "latency": str(latency_us)}


def listening(text: str, default: str, *, name: str) -> Endpoint:
    """The endpoint that `text` names, without a scheme (see `Address.endpoint`).

    name: of what listens, for messages.  Raises SettingsError for any option besides `allow`.
    """
    address = parse_address(f"{name}:{text}")
    endpoint = address.endpoint(default, listens=True)
    address.finish()
    return endpoint


def resolved(text: str) -> str:
    """`text` with each {env:NAME} and {file:PATH} replaced by what is kept there.

    A user name or password is percent-encoded on the way. Raises SettingsError, without the
    secret, where there is none.
    """

    def secret(match: re.Match[str]) -> str:
        kind, name = match.groups()
        try:
            found = (
                os.environ[name]
                if kind == "env"
                else Path(name).expanduser().read_text(encoding="utf-8-sig").strip()
            )
        except KeyError:
            raise SettingsError(f"{match[0]}: that environment variable is not set") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise SettingsError(f"{match[0]} cannot be read ({reason})") from None
        if not found or "\n" in found:
            raise SettingsError(f"{match[0]}: must hold one line of text")
        return quote(found, safe="") if match.start() < user else found

    scheme, separator, rest = _without_placeholders(text).partition("://")
    user = len(scheme + separator) + _end_of_user(rest) if separator else 0
    return _PLACEHOLDER.sub(secret, text)
