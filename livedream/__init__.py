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
    from livedream.dream.networks import load_network
    from livedream.errors import LivedreamError
    from livedream.frame import Frame, Motion, SourceInfo
    from livedream.pipeline import Dream, Dreamer
    from livedream.present import MemorySink, open_sink
    from livedream.rendering import RenderJob, render
    from livedream.settings import DreamSettings

__version__ = "0.1.0"

_HOMES = {
    "Dream": "pipeline",
    "DreamSettings": "settings",
    "Dreamer": "pipeline",
    "Frame": "frame",
    "LivedreamError": "errors",
    "MemorySink": "present",
    "MemorySource": "capture",
    "Motion": "frame",
    "RenderJob": "rendering",
    "SourceInfo": "frame",
    "load_network": "dream.networks",
    "open_sink": "present",
    "open_source": "capture",
    "render": "rendering",
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
