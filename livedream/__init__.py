"""livedream: real-time DeepDream for video.

    import livedream

    with livedream.open_source("in.mp4") as source:
        dreamer = livedream.Dreamer(livedream.DreamSettings(strength=14))
        with livedream.open_sink("out.mp4", source.info) as sink:
            for frame in dreamer.frames(source):
                sink.write(frame)

Names are looked up when they are used, so that importing livedream costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livedream.capture import MemorySource, open_source
    from livedream.core.errors import LivedreamError
    from livedream.core.frame import Frame, Motion, SourceInfo
    from livedream.core.settings import DreamSettings
    from livedream.dream.dreamer import Dream, Dreamer
    from livedream.dream.networks.network import load_network
    from livedream.jobs.render import RenderJob, render
    from livedream.present import MemorySink, open_sink

from livedream.core.version import __version__

_HOMES = {
    "Dream": "dream.dreamer",
    "DreamSettings": "core.settings",
    "Dreamer": "dream.dreamer",
    "Frame": "core.frame",
    "LivedreamError": "core.errors",
    "MemorySink": "present",
    "MemorySource": "capture",
    "Motion": "core.frame",
    "RenderJob": "jobs.render",
    "SourceInfo": "core.frame",
    "load_network": "dream.networks.network",
    "open_sink": "present",
    "open_source": "capture",
    "render": "jobs.render",
}

__all__ = [
    "Dream",
    "DreamSettings",
    "Dreamer",
    "Frame",
    "LivedreamError",
    "MemorySink",
    "MemorySource",
    "Motion",
    "RenderJob",
    "SourceInfo",
    "__version__",
    "load_network",
    "open_sink",
    "open_source",
    "render",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'livedream' has no attribute {name!r}")
    return getattr(import_module(f"livedream.{_HOMES[name]}"), name)
