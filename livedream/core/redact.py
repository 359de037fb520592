"""Text that is fit to show: without passwords, stream keys and tokens, and on one line.

Everything that prints, logs, serves or writes a text goes through `redact`; the messages of
livedream's own errors, `Health` and the log do so by themselves. They are put on one line, too:
devices, senders and servers may have any name, one that clears the terminal or ends a line of the
log among them.
"""

import logging
import re
from typing import Final

MASK: Final = "***"
SECRET_NAMES: Final = (
    "pass", "passwd", "password", "passphrase", "pwd", "token", "access_token", "key", "api_key",
    "apikey", "secret", "streamid", "stream_key", "auth", "sig", "signature", "user", "username",
)  # fmt: skip
# One slash, too: that is what `pathlib.Path` makes of an address. At least two letters: C:/ is a
# Windows drive. A secret may hold any character, so each pattern takes as much as could be one.
_SCHEME: Final = r"\b[a-z][a-z0-9+.-]+:/{1,2}+"
_REST: Final = rf"(?!{re.escape(MASK)})[^\n]+"
_PATTERNS: Final = (
    (rf"([?&/;](?:{'|'.join(SECRET_NAMES)})=){_REST.replace('[^', '[^&')}", MASK),
    # What follows the host of an RTMP address; with an @ somewhere, the host itself is unsure.
    (rf"(\brtmp[a-z]*:/{{1,2}}+(?:[^/@\n]*+/(?![^\n]*@))?+){_REST}", MASK),
    # Up to the last @ before another address.
    (rf"({_SCHEME})(?:(?![\s'\",(][a-z0-9+.-]+://)[^\n])+@", f"{MASK}@"),
)
_COMPILED: Final = tuple((re.compile(one, re.IGNORECASE), rf"\1{mask}") for one, mask in _PATTERNS)


def redact(text: str) -> str:
    """`text` with *** for each user:password@, RTMP stream key, token, passphrase and the like.

    Of an RTMP address the host stays. Applied twice it changes nothing more.
    """
    for pattern, mask in _COMPILED:
        text = pattern.sub(mask, text)
    return text


def one_line(text: str, most: int | None = None) -> str:
    """`text` from outside, cut after `most` characters: printable ones and single spaces.

    A text that is printable stays as it is.
    """
    if not text.isprintable():
        text = " ".join(_printable(text).split())
    return text[:most]


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)


class RedactingFormatter(logging.Formatter):
    """Redacts whole records, tracebacks of other libraries included; a message is one line."""

    def format(self, record: logging.LogRecord) -> str:
        lines = redact(super().format(record)).split("\n")
        return "\n".join(map(_printable, lines))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        return one_line(super().formatMessage(record))
