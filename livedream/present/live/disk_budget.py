"""How much of a disk recordings may take: the oldest go first."""

import logging
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

NAME: Final = re.compile(r"livedream-\d{8}-\d{6}-(dream|camera)-\d{5}\.mp4")
_KEPT_FREE: Final = 500 * 10**6  # bytes that are left to everybody else


def segment_name(session: str, kind: str, number: int) -> str:
    """session: `20261124-061500`.  kind: "dream" or "camera". Sorts by time within a kind."""
    return f"livedream-{session}-{kind}-{number:05d}.mp4"


class DiskBudget:
    """Keeps what lies in `folder`, by the names of segments, below `most` bytes."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most

    def segments(self) -> list[Path]:
        """All of them, the oldest first: by session and number, dream and camera together."""
        found = [p for p in self.folder.iterdir() if NAME.fullmatch(p.name)]
        return sorted(found, key=lambda p: (p.name[:25], p.stem[-5:], p.name))

    def taken(self) -> int:
        """Bytes, those of files that are just being finished included."""
        sizes = 0
        for path in self.folder.iterdir():
            if "livedream-" in path.name:
                try:
                    sizes += path.stat().st_size
                except FileNotFoundError:  # was finished, or removed by somebody, meanwhile
                    continue
        return sizes

    def make_room(self, coming: int, keep: Collection[Path]) -> list[Path]:
        """Remove the oldest until `coming` bytes more fit; those in `keep` stay. What went."""
        gone = []
        for path in self.segments():
            free = shutil.disk_usage(self.folder).free
            if self.taken() + coming <= self.most and free - coming >= _KEPT_FREE:
                break
            if path in keep:
                continue
            path.unlink(missing_ok=True)
            gone.append(path)
            _log.info("%s was the oldest recording: removed to make room", path.name)
        return gone
