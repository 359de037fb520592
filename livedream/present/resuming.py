"""Going on with a video that an earlier writer left.

One that died left a growing file: it is cut behind its last whole chunk and grows on. One that
was stopped finished its file: its packets are copied, as they are, into a growing file beside
it, which then takes its place. Either way the next frame is a keyframe behind the last one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from livedream.core.errors import SinkError
from livedream.media.containers import main_video
from livedream.media.timing import Packet, end_time
from livedream.present.destination import cannot
from livedream.present.fragmented import FragmentedFile
from livedream.present.stream_copy import SoundTracks

OTHER_SETTINGS = (
    "{} was started with another size, codec or audio: "
    "resume it with the same settings, or add --overwrite"
)
_BATCH = 32  # packets to a chunk while copying: few chunks, little memory


@dataclass(slots=True)
class WrittenPackets:
    """What a file holds: packets of each stream, the video first; when the last frame begins."""

    packets: list[int] = field(default_factory=list)
    last: Fraction | None = None


def count_packets(path: Path) -> WrittenPackets:
    """Count what a growing file holds.  Raises SinkError when it cannot be read after all."""
    written = WrittenPackets()
    try:
        with av.open(str(path)) as grown:
            written.packets = [0] * len(grown.streams)
            for packet in grown.demux():
                if packet.size == 0 or packet.pts is None:
                    continue
                written.packets[packet.stream.index] += 1
                if packet.stream.index == 0:
                    written.last = packet.pts * packet.time_base
    except (av.FFmpegError, ValueError) as error:
        raise cannot(path, error) from error
    return written


def refragment(growing: FragmentedFile, sound: SoundTracks) -> WrittenPackets:
    """Turn the finished file at a growing file's path back into one that grows.

    Its video packets are copied, with the source's sound, into a new file, which then takes its
    place.  Raises SinkError when it was made with other settings, or is no such file at all.
    """
    path = growing.path
    beside = path.with_name(f".{path.name}.resuming")
    try:
        with av.open(str(path)) as container:
            video = main_video(container)
            again = growing.like(beside, video)
            if again is None:
                raise SinkError(OTHER_SETTINGS.format(path))
            try:
                written = _copy(container.demux(video), again, sound)
            finally:
                again.close()
        beside.replace(path)
    except (av.FFmpegError, ValueError, StopIteration) as error:
        raise SinkError(f"{path} is not an unfinished render: nothing to resume") from error
    finally:
        beside.unlink(missing_ok=True)
    return written


def _copy(packets: Iterator[Packet], growing: FragmentedFile, sound: SoundTracks) -> WrittenPackets:
    growing.create(overwrite=True)
    written = WrittenPackets([0])
    batch: list[tuple[int, Packet]] = []
    for packet in packets:
        if packet.size == 0 or packet.pts is None:
            continue
        written.packets[0] += 1
        written.last = packet.pts * packet.time_base
        others = sound.until(end_time(packet))
        batch += [(0, packet), *((track + 1, other) for track, other in others)]
        if len(batch) >= _BATCH:
            growing.append(batch)
            batch = []
    growing.append(batch)
    return written
