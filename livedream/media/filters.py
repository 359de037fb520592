"""FFmpeg's filters on decoded frames: the one place where a filter graph is put together."""

from fractions import Fraction

import av
from av.filter import Graph

TICK = Fraction(1, 1_000_000)  # where the time of a frame means nothing


def linked(frame: av.VideoFrame, time_base: Fraction, *filters: tuple[str, str]) -> Graph:
    """A graph of filters, each a name and its arguments, for frames of this one's kind."""
    graph = Graph()
    source = graph.add(
        "buffer", video_size=f"{frame.width}x{frame.height}", pix_fmt=frame.format.name,
        time_base=str(time_base), colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )  # fmt: skip
    chain = [graph.add(name, arguments) for name, arguments in filters]
    graph.link_nodes(source, *chain, graph.add("buffersink"))
    graph.configure()
    return graph


def kind_of(frame: av.VideoFrame) -> tuple[int, int, str, int, int]:
    """What a graph is made for: size, pixel format, matrix and range."""
    return (
        frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range
    )  # fmt: skip


class FrameFilter:
    """Filters that give one frame at once for each, such as those that change only its tags."""

    def __init__(self, *filters: tuple[str, str]) -> None:
        self._filters = filters
        self._graph: Graph | None = None
        self._kind: tuple[object, ...] = ()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._graph is None or self._kind != kind_of(frame):
            self._graph, self._kind = linked(frame, TICK, *self._filters), kind_of(frame)
        self._graph.vpush(frame)
        return self._graph.vpull()
