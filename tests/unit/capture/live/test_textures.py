"""Spout and Syphon up to their libraries' doors; neither has been tried on its own system."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from livedream.capture.live import LiveInput, open_live
from livedream.capture.live import textures as module
from livedream.capture.live.beside import is_live
from livedream.capture.live.textures import list_spout, list_syphon
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

ODD = "Arena\x1b[2J\n<b>"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_S", "_RATE_S", "_WAIT_S", "_GONE_S"):
        monkeypatch.setattr(module, name, 0.05)


class Spout:
    """Senders on a machine, and SpoutGL's receiver as its source has it: what was updated has to be
    asked for, a buffer is filled where it is large enough, a picture comes one late."""

    def __init__(self) -> None:
        self.names: Any = ["Arena 2", "Arena", ODD]
        self.size, self.there, self.counts, self.frame = (6, 4), True, True, 0
        self.name, self._known, self._updated, self._last = "", (0, 0), False, 0
        self.released = 0

    def __call__(self) -> "Spout":
        return self

    def __enter__(self) -> "Spout":
        return self

    def __exit__(self, *error: object) -> None: ...

    def getSenderList(self) -> list[str]:  # noqa: N802
        if isinstance(self.names, Exception):
            raise self.names
        return list(self.names)

    def setReceiverName(self, name: str) -> None:  # noqa: N802
        self.name = name

    def receiveImage(self, pixels: Any, order: int, invert: bool, host: int) -> bool:  # noqa: N802
        assert (order, invert, host) == (0x1908, False, 0)
        if not self.there or self._updated:
            self._known = (0, 0)
            return self._updated
        if self.size != self._known:
            self._known, self._updated = self.size, True
            return True
        if pixels is None:
            return False
        if pixels.nbytes < 4 * self.size[0] * self.size[1]:
            raise BufferError("Buffer not large enough")
        self.frame += 1
        if self.frame > 1:
            pixels[:] = (200, 20, 120, 255)
        return True

    def isUpdated(self) -> bool:  # noqa: N802
        updated, self._updated = self._updated, False
        return updated

    def getSenderWidth(self) -> int:  # noqa: N802
        return self._known[0]

    def getSenderHeight(self) -> int:  # noqa: N802
        return self._known[1]

    def isConnected(self) -> bool:  # noqa: N802
        return self.there

    def isFrameCountEnabled(self) -> bool:  # noqa: N802
        return self.counts

    def isFrameNew(self) -> bool:  # noqa: N802
        return self.frame % 2 == 0

    def releaseReceiver(self) -> None:  # noqa: N802
        self.released += 1
        self._known = (0, 0)


@pytest.fixture
def spout(monkeypatch: pytest.MonkeyPatch) -> Spout:
    made, library = Spout(), ModuleType("SpoutGL")
    library.SpoutReceiver = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "SpoutGL", library)
    return made


_DIRECTORY = """
import json, os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

@dataclass
class SyphonServerDescription:
    uuid: str
    name: str
    app_name: str
    icon: Any
    raw: Any

class SyphonServerDirectory:
    run_loop_interval = 1.0

    @property
    def servers(self):
        found = json.loads(Path(os.environ["SYPHON_SERVERS"]).read_text())
        keys = ("UUID", "Name", "AppName", "Surfaces", "DictionaryVersion", "Icon")
        raws = [{f"SyphonServerDescription{k}Key": v for k, v in zip(keys, one)} for one in found]
        for raw in raws:
            raw["SyphonServerDescriptionIconKey"] = object()  # not for JSON
        return [SyphonServerDescription("", "", "", None, raw) for raw in raws]
"""
SURFACES = [{"SyphonSurfaceType": "SyphonSurfaceTypeIOSurface"}]


class Syphon:
    """A Mac's servers, and syphon-python's client of one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.size, self.there, self.order = (6, 4), True, 80
        self.taken: Any = None
        self.stopped = 0
        self.names = [("1", "Arena 2", "VDMX"), ("2", "Arena", "VDMX"), ("3", ODD, "")]

    @property
    def names(self) -> None: ...

    @names.setter
    def names(self, said: Any) -> None:
        self._file.write_text(json.dumps([(*one, SURFACES, 1, 0) for one in said]))

    def __call__(self, description: Any) -> "Syphon":
        self.taken = description
        return self

    context = has_new_frame = property(lambda self: True)
    is_valid = property(lambda self: self.there)
    new_frame_image = property(lambda self: self if self.there else None)

    def stop(self) -> None:
        self.stopped += 1

    # A texture.

    def width(self) -> int:
        return self.size[0]

    def height(self) -> int:
        return self.size[1]

    def pixelFormat(self) -> int:  # noqa: N802
        return self.order

    def copied(self, texture: Any) -> Any:
        if self.order not in (70, 80):
            raise Exception("Not correct pixel format")  # as the library does
        rgba = (200, 20, 120, 255) if self.order == 70 else (120, 20, 200, 255)
        return np.full((self.size[1], self.size[0], 4), rgba, np.uint8)


@pytest.fixture
def syphon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Syphon:
    package = tmp_path / "syphon"
    (package / "utils").mkdir(parents=True)
    (package / "utils/__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "server_directory.py").write_text(_DIRECTORY)
    made = Syphon(tmp_path / "servers.json")
    monkeypatch.setenv("SYPHON_SERVERS", str(tmp_path / "servers.json"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path.cwd())]))
    monkeypatch.syspath_prepend(tmp_path)
    for name in [one for one in sys.modules if one.partition(".")[0] == "syphon"]:
        monkeypatch.delitem(sys.modules, name)
    numpy_door = ModuleType("syphon.utils.numpy")
    numpy_door.copy_mtl_texture_to_image = made.copied  # type: ignore[attr-defined]
    import syphon as library

    library.SyphonMetalClient = made
    monkeypatch.setitem(sys.modules, "syphon.utils.numpy", numpy_door)
    monkeypatch.setattr(module, "_LISTED_S", 0.1)
    return made


def pictures(source: LiveInput) -> Picture:
    """The next one; time passes where nothing comes."""
    while (rgb := source.read()) is None:
        pass
    return rgb


def test_spout_is_found_by_any_part_of_its_name_and_fitted_when_it_changes(spout: Spout) -> None:
    assert list_spout() == ["Arena 2", "Arena", "Arena [2J <b>"]
    for wanted, taken in (
        ("", "Arena 2"), (":ARENA", "Arena"), (":na 2", "Arena 2"), (":Arena [2J <b>", ODD),
    ):  # fmt: skip
        source = open_live(f"spout{wanted}")
        opened = source.open()
        assert (spout.name, opened.width, opened.height) == (taken, 6, 4)
        assert opened.detail.isprintable() and 1 <= opened.rate <= 240
        source.close()
    assert spout.released == 4
    source.open()
    assert pictures(source)[0, 0].tolist() == [200, 20, 120]
    spout.size, spout.counts = (10, 8), False
    while pictures(source).shape != (8, 10, 3):
        pass
    spout.there = False
    with pytest.raises(SourceError, match="its sender is gone"):
        pictures(source)
    with pytest.raises(SourceError, match=r"no picture|is gone"):
        source.open()
    spout.there = True
    assert source.open().width == 10


@pytest.mark.parametrize("size", [(0, 5), (16385, 1), (2**32 - 1, 2**32 - 1)])
def test_a_size_that_cannot_be_takes_no_memory(size: tuple[int, int], spout: Spout) -> None:
    spout.size = size
    with pytest.raises(SourceError, match="its pictures cannot be "):
        open_live("spout").open()


def test_who_is_not_there_or_cannot_be_read(spout: Spout) -> None:
    with pytest.raises(SourceError, match="no such Spout sender; there are Arena 2, Arena, Arena "):
        open_live("spout:Resolume").open()
    spout.names = UnicodeDecodeError("utf-8", b"B\xfchne", 1, 2, "invalid start byte")
    with pytest.raises(SourceError, match="a name that cannot be read"):
        open_live("spout:stage").open()


def test_syphon_is_found_by_any_part_of_its_name_and_fitted_when_it_changes(
    syphon: Syphon,
) -> None:
    assert list_syphon() == ["VDMX (Arena 2)", "VDMX (Arena)", "(Arena [2J <b>)"]
    source = open_live("syphon:vdmx (arena)")
    opened = source.open()
    assert (opened.detail, opened.width, opened.height) == ("VDMX (Arena), 6x4", 6, 4)
    # What the list says goes to the client as it was, but for the icon.
    assert syphon.taken.raw["SyphonServerDescriptionUUIDKey"] == "2"
    assert syphon.taken.raw["SyphonServerDescriptionSurfacesKey"] == SURFACES
    assert syphon.taken.raw["SyphonServerDescriptionDictionaryVersionKey"] == 1
    assert pictures(source)[0, 0].tolist() == [200, 20, 120]
    syphon.order, syphon.size = 70, (10, 8)
    shown = [pictures(source) for _ in range(2)][-1]
    assert shown.shape == (8, 10, 3) and shown[0, 0].tolist() == [200, 20, 120]
    syphon.order = 115
    with pytest.raises(SourceError, match=r"cannot be read .Not correct pixel format"):
        pictures(source)
    source.close()
    assert syphon.stopped == 1


def test_a_syphon_server_that_goes(syphon: Syphon) -> None:
    source = open_live("syphon")
    source.open()
    syphon.there = False
    with pytest.raises(SourceError, match="its sender is gone"):
        for _ in range(3):
            pictures(source)
    syphon.names = []
    with pytest.raises(SourceError, match="no such Syphon server; there are none"):
        source.open()


@pytest.mark.parametrize(
    ("package", "system", "lists"),
    [("SpoutGL", "win32", list_spout), ("syphon", "darwin", list_syphon)],
)
def test_without_the_library_the_system_or_its_install_command_is_named(
    package: str, system: str, lists: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SourceError, match=r"(Windows|macOS) only"):
        lists()
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(SourceError, match=r'pip install "livedream\[(spout|syphon)\]"'):
        lists()


def test_they_are_live_as_masks_and_guides() -> None:
    assert is_live("spout:Arena") and is_live("syphon")
    assert not is_live("spouts.mp4")
