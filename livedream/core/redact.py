"""Text that is fit to show: without passwords, stream keys and tokens.

Everything that prints, logs, serves or writes a text goes through `redact`; the messages of
livedream's own errors, `Health` and the log do so by themselves.
"""

import logging
import re
from typing import Final

MASK: Final = "***"
_SECRET_NAMES: Final = (
    "pass", "passwd", "password", "passphrase", "pwd", "token", "access_token", "key", "api_key",
    "apikey", "secret", "streamid", "stream_key", "auth", "sig", "signature", "user", "username",
)  # fmt: skip
# One slash, too: that is what `pathlib.Path` makes of an address. At least two letters: C:/ is a
# Windows drive. A secret may hold any character, so each pattern takes as much as could be one.
_SCHEME: Final = r"\b[a-z][a-z0-9+.-]+:/{1,2}+"
_REST: Final = rf"(?!{re.escape(MASK)})[^\n]+"
_PATTERNS: Final = (
    (rf"([?&/;](?:{'|'.join(_SECRET_NAMES)})=){_REST.replace('[^', '[^&')}", MASK),
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


class RedactingFormatter(logging.Formatter):
    """Redacts whole records, tracebacks of other libraries included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
