"""What a finished file says about itself, and the settings that made it.

Metadata of the source is kept, but for what describes the old file rather than the film. The
settings travel in the one tag that every container here keeps and gives back, `comment`, on a
line of their own behind a marker; a comment that was there before stays in front of it.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from pathlib import Path

SETTINGS = "livedream"  # the key under which metadata carries the settings' text
MARKER = "livedream settings: "  # of comments, in videos and in pictures
_ABOUT_THE_FILE = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
    "rotate",
    "vendor_id",
    "number_of_frames",
    "number_of_bytes",
    "bps",
    "filename",
    "mimetype",
    "alpha_mode",
}


def container_metadata(source: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The source's metadata with `own` over it; `own[SETTINGS]` goes into the comment."""
    kept = {k: v for k, v in source.items() if not _technical(k)}
    kept.update({k: v for k, v in own.items() if k != SETTINGS})
    if SETTINGS in own:
        before = [line for line in _comment(kept).splitlines() if not line.startswith(MARKER)]
        line = MARKER + " ".join(own[SETTINGS].splitlines())
        kept = {k: v for k, v in kept.items() if k.lower() != "comment"}
        kept["comment"] = "\n".join([*before, line])
    return kept


def stream_metadata(source: Mapping[str, str]) -> dict[str, str]:
    """What is worth keeping of a copied stream's metadata: language, title and their like."""
    attachments = ("filename", "mimetype")
    return {k: v for k, v in source.items() if k.lower() in attachments or not _technical(k)}


def timecode_of(*metadata: Mapping[str, str]) -> str | None:
    """The first timecode among these, which containers write in small or capital letters."""
    found = (v for tags in metadata for k, v in tags.items() if k.lower() == "timecode")
    return next(found, None)


def timecode_after(timecode: str, seconds: Fraction, rate: Fraction, written: Fraction) -> str:
    """The timecode of the first frame at or after so many seconds, counted on from `timecode`.

    rate: of the frames that were counted, written: of those to come.  A `;` says that two numbers
    of 30 (four of 60) are left out in each minute that is no multiple of ten (SMPTE ST 12-1).
    What is no timecode comes back as it is.
    """
    parts = re.fullmatch(r"(\d+):(\d+):(\d+)([:;.])(\d+)", timecode.strip())
    if parts is None or rate <= 0:
        return timecode
    hours, minutes, secs, frame = (int(parts[n]) for n in (1, 2, 3, 5))
    count = max(1, round(rate))
    drop = round(count / 15) if parts[4] != ":" and count % 30 == 0 else 0
    minutes += 60 * hours
    number = (60 * minutes + secs) * count + frame - drop * (minutes - minutes // 10)
    number += ceil(seconds * rate)
    if drop:
        tens, rest = divmod(number, 600 * count - 9 * drop)
        number += 9 * drop * tens + drop * max(0, (rest - drop) // (60 * count - drop))
    whole, frame = divmod(number, count)
    frame = frame * max(1, round(written)) // count
    hours, minutes, secs = whole // 3600 % 24, whole // 60 % 60, whole % 60
    return f"{hours:02d}:{minutes:02d}:{secs:02d}{parts[4]}{frame:02d}"


def read_settings(path: str | Path) -> str | None:
    """The settings' text that a file was made with, None when it carries none.

    Raises SourceError when there is no such file or it is no video.
    """
    import av

    from livedream.core.errors import SourceError, os_reason
    from livedream.media.containers import open_container

    try:
        with open_container(Path(path)) as container:
            comment = _comment(container.metadata)
    except (av.FFmpegError, ValueError) as error:
        raise SourceError(
            f"{path} cannot be read ({os_reason(error)}): must be a video or a GIF"
        ) from error
    for line in comment.splitlines():
        if line.startswith(MARKER):
            return line.removeprefix(MARKER)
    return None


def _comment(metadata: Mapping[str, str]) -> str:
    return next((v for k, v in metadata.items() if k.lower() == "comment"), "")


def _technical(key: str) -> bool:
    lower = key.lower()
    return lower.split("-")[0] in _ABOUT_THE_FILE or lower.startswith("_statistics")
