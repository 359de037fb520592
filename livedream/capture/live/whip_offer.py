"""What somebody who wants to send by WHIP (RFC 9725) may offer, and what is refused, and why."""

import asyncio
import re
from typing import Final

from starlette.requests import ClientDisconnect, Request

from livedream.core.errors import reason

SDP: Final = "application/sdp"


class Refused(Exception):  # noqa: N818 (an answer, no fault)
    """status: of HTTP."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def read_offer(request: Request, timeout_s: float) -> str:
    """The text that was sent. Raises Refused for what is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != SDP:
        raise Refused(415, f"the content type must be {SDP}")
    try:
        async with asyncio.timeout(timeout_s):
            return (await request.body()).decode()
    except TimeoutError:
        raise Refused(408, f"no offer came in {timeout_s:g} s") from None
    except ClientDisconnect:
        raise Refused(400, "the connection ended amid the offer") from None
    except UnicodeDecodeError:
        raise Refused(400, "the SDP offer must be UTF-8") from None


def unreadable(error: Exception) -> Refused:
    return Refused(400, f"the SDP offer cannot be read ({reason(error)[:200]})")


def check_offer(offer: str) -> None:
    """Raises Refused for what cannot be read or is not wanted."""
    from aiortc.sdp import SessionDescription

    kinds = re.findall(r"^m=(\w+) ", offer, re.MULTILINE)
    if kinds.count("video") != 1 or kinds.count("audio") > 1 or set(kinds) - {"video", "audio"}:
        raise Refused(406, "an offer must have one video and at most one audio, nothing else")
    try:
        described = SessionDescription.parse(offer)
    except Exception as error:  # a parser's own, KeyError and others
        raise unreadable(error) from error
    for media in described.media:
        if media.direction not in ("sendonly", "sendrecv"):
            raise Refused(406, f"the {media.kind} must be sendonly (got {media.direction})")
        if media.dtls is None or not media.dtls.fingerprints:
            raise Refused(400, "the SDP offer lacks a fingerprint")
        names = {codec.name.upper() for codec in media.rtp.codecs}
        if media.kind == "video" and not names & {"H264", "VP8"}:
            raise Refused(406, "the video must be H.264 or VP8")


def without_candidates(offer: str) -> str:
    """Who sends looks for us, not we for whoever an offer names: no packet goes to an address that
    has not proved that it knows the answer's password."""
    return re.sub(r"^a=(candidate:|end-of-candidates)[^\n]*\n?", "", offer, flags=re.MULTILINE)
