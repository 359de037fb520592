"""How an output is written: `scheme://host:port/path?option=value` or `scheme:rest?option=value`.

Each output reads its options by kind, and at the end asks for those that nobody read: a
misspelt option is an error, never silence.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from livedream.core.errors import SettingsError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@dataclass(slots=True)
class Address:
    """text: as it was written.  rest: between scheme and options, without leading slashes."""

    text: str
    scheme: str
    rest: str
    options: dict[str, str]
    _read: set[str] = field(default_factory=set)

    def _take(self, name: str) -> str | None:
        self._read.add(name)
        return self.options.get(name)

    def wrong(self, name: str, wanted: str) -> SettingsError:
        return SettingsError(f"{self.text}: {name}={self.options[name]} found, {wanted} wanted")

    def word(self, name: str, default: str, choices: tuple[str, ...] = ()) -> str:
        found = self._take(name)
        if found is None:
            return default
        if choices and found not in choices:
            raise self.wrong(name, "one of " + ", ".join(choices))
        return found

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
            raise self.wrong(name, f"a number from {least:g} to {most:g}") from None
        if not least <= value <= most:
            raise self.wrong(name, f"a number from {least:g} to {most:g}")
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

    def host_port(self, default_host: str, default_port: int | None) -> tuple[str, int]:
        """Host and port of `rest`: `HOST:PORT`, `:PORT`, `PORT`, `[::1]:PORT` or nothing."""
        text = self.rest.split("/", 1)[0].removeprefix("@")
        host, colon, port = text.rpartition(":")
        if not colon:
            host, port = (default_host, text) if text.isdigit() else (text, "")
        host = host.strip("[]") or default_host
        if not port and default_port is not None:
            return host, default_port
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise SettingsError(f"{self.text}: port {port!r} found, one from 1 to 65535 wanted")
        return host, int(port)

    def finish(self) -> None:
        """Raise SettingsError for an option that was given but not read."""
        unknown = sorted(set(self.options) - self._read)
        if unknown:
            known = ", ".join(sorted(self._read)) or "none"
            raise SettingsError(
                f"{self.text}: option {unknown[0]!r} is not known: there are {known}"
            )


def parse_address(text: str) -> Address:
    """`text` taken apart; the scheme is everything before the first colon, in lower case."""
    scheme, _, rest = text.partition(":")
    rest, _, query = rest.partition("?")
    if rest.startswith("//"):
        rest = rest.removeprefix("//")
    scheme, _, extra = scheme.partition("?")  # "window?display=1": options without a colon
    options = dict(parse_qsl(query or extra, keep_blank_values=True))
    return Address(text, scheme.lower(), rest, options)
