"""OBS by itself: its source, the microphone's delay, and a preset for each scene.

OBS is reached by its WebSocket (part of it since 28). What is made or changed there is noted, so
that `undo` can take all of it back, weeks later too.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from livedream.control.obs_address import is_elsewhere, usual_sink, whereabouts
from livedream.control.obs_connection import ObsConnection, RefusedError, obsws, understood
from livedream.control.obs_notes import ObsChanges, ObsNotes
from livedream.control.show import Show
from livedream.core.addresses import Endpoint, parse_address
from livedream.core.errors import LivedreamError, SettingsError, SourceError, reason
from livedream.core.health import Health
from livedream.core.supervisor import FaultLog, SupervisedThread, start_thread

_log = logging.getLogger(__name__)

SOURCE: Final = "livedream"  # the source's name in OBS
_STEP_S: Final = 0.2  # how soon another scene is noticed
_AGAIN: Final = 10  # steps between two attempts to connect
_MOST: Final = 100  # microphones
_OFFSETS_MS: Final = (-950, 20_000)  # of a source's sound, as OBS has them
_CAPTURES: Final = ("pulse_input_capture", "wasapi_input_capture", "coreaudio_input_capture")


@dataclass(frozen=True, slots=True)
class ObsSource:
    """What OBS is to show: a kind of source as OBS calls it, and its settings."""

    kind: str
    settings: Mapping[str, Any]


def source_for(sinks: Sequence[str], size: tuple[int, int], fps: float, obs: str = "") -> ObsSource:
    """The source that shows one of these sinks: MPEG-TS over UDP, or else the browser page.

    size: width and height.  obs: where OBS is; what does not leave this machine is nothing for one
    on another.  Raises SettingsError where there is neither, and for an address that is none.
    """
    from livedream.present.live.browser import DEFAULT_ADDRESS

    addresses, elsewhere = [parse_address(sink) for sink in sinks], is_elsewhere(obs)
    host = whereabouts(obs)[0]
    udp = [one.endpoint("127.0.0.1:") for one in addresses if one.scheme == "udp"]
    reaching = [at for at in udp if not (at.loopback and elsewhere)]
    # One straight to OBS, else one to a group; what goes to others OBS may not hear.
    straight = [at for at in reaching if at.host == host or at.loopback]
    for at in [*straight, *(at for at in reaching if at.multicast), *reaching][:1]:
        return ObsSource(
            "ffmpeg_source",
            {
                "is_local_file": False,
                "input": f"udp://{_listened(at)}:{at.port}",
                "input_format": "mpegts",
                "buffering_mb": 0,
                "reconnect_delay_sec": 1,
                "hw_decode": False,
                "clear_on_media_end": False,
            },
        )
    for address in addresses:
        if address.scheme == "browser":
            at = address.endpoint(DEFAULT_ADDRESS, listens=True)
            if at.loopback and at.port and not elsewhere:  # port 0 is any free one
                token = address.word("token", "")
                page = {
                    "url": f"http://{at}/" + (f"?token={quote(token, safe='')}" if token else ""),
                    "width": size[0],
                    "height": size[1],
                    "fps_custom": True,
                    "fps": round(fps),
                    "shutdown": False,
                }
                return ObsSource("browser_source", page)
    at_obs = f" on {host}" if elsewhere else ""
    raise SettingsError(f"obs: no sink that OBS{at_obs} can show; add --sink {usual_sink(obs)}")


def _listened(to: Endpoint) -> str:
    """Where OBS listens for what is sent there; a multicast group it has to join."""
    is_v6 = ":" in to.host
    host = "127.0.0.1" if to.loopback else "0.0.0.0"
    host = to.host if to.multicast or (is_v6 and to.loopback) else "::" if is_v6 else host
    return f"[{host}]" if is_v6 else host


class Obs(ObsConnection):
    """What livedream wants of OBS: scenes, microphones, a source."""

    @property
    def scene(self) -> str:
        return str(self.ask("GetCurrentProgramScene")["currentProgramSceneName"])

    @property
    def collection(self) -> str:
        """The scene collection that is chosen: scenes and sources are others in each."""
        return str(self.ask("GetSceneCollectionList")["currentSceneCollectionName"])

    def scenes(self) -> list[str]:
        """From top to bottom, as OBS lists them."""
        return [str(one["sceneName"]) for one in reversed(self.ask("GetSceneList")["scenes"])]

    def microphones(self) -> Iterator[str]:
        """Names of what records sound from outside."""
        special = self.ask("GetSpecialInputs")
        names = [special.get(f"mic{number}") for number in range(1, 5)]
        names += [
            one["inputName"]
            for one in self.ask("GetInputList")["inputs"]
            if one["inputKind"].startswith(_CAPTURES)
        ]
        yield from list(dict.fromkeys(str(name) for name in names if name))[:_MOST]

    def show(self, source: ObsSource, notes: ObsNotes) -> str:
        """Have a source named livedream with these settings, in a new one's case over the whole
        picture of the current scene. What it did, for people."""
        there = {one["inputName"]: one for one in self.ask("GetInputList")["inputs"]}.get(SOURCE)
        if there is not None:
            if there["inputKind"] != source.kind:
                raise SourceError(
                    f"obs: there is a source {SOURCE!r} of another kind ({there['inputKind']}); "
                    "rename or delete it in OBS"
                )
            now = self.ask("GetInputSettings", inputName=SOURCE)["inputSettings"]
            if any(now.get(key) != value for key, value in source.settings.items()):
                self.ask("SetInputSettings", inputName=SOURCE, inputSettings=dict(source.settings))
            return f"showing source {SOURCE!r}"
        scene = self.scene
        made = self.ask(
            "CreateInput", sceneName=scene, inputName=SOURCE, inputKind=source.kind,
            inputSettings=dict(source.settings), sceneItemEnabled=True,
        )  # fmt: skip
        notes.note(self.collection, made=True)
        canvas = self.ask("GetVideoSettings")
        self.ask(
            "SetSceneItemTransform",
            sceneName=scene,
            sceneItemId=made["sceneItemId"],
            sceneItemTransform={
                "positionX": 0.0,
                "positionY": 0.0,
                "boundsType": "OBS_BOUNDS_SCALE_INNER",
                "boundsAlignment": 0,
                "boundsWidth": float(canvas["baseWidth"]),
                "boundsHeight": float(canvas["baseHeight"]),
            },
        )
        return f"made source {SOURCE!r} in scene {scene!r}"

    def delay(self, milliseconds: int, notes: ObsNotes) -> list[str]:
        """Delay every microphone by as much as the picture is late. Names of those that OBS let."""
        found, collection = [], self.collection
        for name in self.microphones():
            try:
                self._delay(name, milliseconds, notes, collection)
            except RefusedError as error:
                _log.warning("%s: %s", error, name)
            else:
                found.append(name)
        return found

    def _delay(self, name: str, milliseconds: int, notes: ObsNotes, collection: str) -> None:
        before = self.ask("GetInputAudioSyncOffset", inputName=name)["inputAudioSyncOffset"]
        if name not in notes.changes.get(collection, ObsChanges()).offsets:
            if not _OFFSETS_MS[0] <= before <= _OFFSETS_MS[1]:
                raise ValueError(f"a sync offset of {before}")
            notes.note(collection, offsets={name: int(before)})
        self.ask("SetInputAudioSyncOffset", inputName=name, inputAudioSyncOffset=milliseconds)

    def undo(self, notes: ObsNotes) -> list[str]:
        """Take back what `notes` say was done in the scene collection that is chosen in OBS. What
        it did and what it could not, for people.

        What OBS refuses and what was done in other collections stays in the notes.
        """
        found = self.ask("GetSceneCollectionList")
        here, there = str(found["currentSceneCollectionName"]), found["sceneCollections"]
        said: list[str] = []
        try:
            for collection, changes in list(notes.changes.items()):
                if collection == here:
                    said += self._undo(changes)
                elif collection in there:
                    said.append(f"scene collection {collection!r}: choose it in OBS and undo again")
                    continue
                else:
                    said.append(f"scene collection {collection!r}: has gone from OBS")
                    notes.changes[collection] = ObsChanges()
                if not notes.changes[collection]:
                    del notes.changes[collection]
        finally:
            notes.write()
        return said

    def _undo(self, changes: ObsChanges) -> Iterator[str]:
        gone = "has gone from OBS"
        if changes.made:
            try:
                there = self.done("RemoveInput", inputName=SOURCE)
                yield f"removed source {SOURCE!r}" if there else f"source {SOURCE!r}: {gone}"
                changes.made = False
            except RefusedError as error:
                yield f"source {SOURCE!r}: not undone ({reason(error)})"
        for name, ms in list(changes.offsets.items()):
            try:
                there = self.done(
                    "SetInputAudioSyncOffset", inputName=name, inputAudioSyncOffset=ms
                )
                yield f"{name}: " + (f"sync offset {ms} ms, as before" if there else gone)
                del changes.offsets[name]
            except RefusedError as error:
                yield f"{name}: not undone ({reason(error)})"


class ObsControl:
    """OBS as a controller of a show: a scene is switched there, the preset follows here.

    A scene goes with the preset that `obs.toml` names for it, or else with the one of its own name
    or title: as the file says when the scene is switched. OBS may come later, and come back.
    sinks: of which OBS shows one.  picture: its size and frame rate.
    Raises SettingsError for an address, sinks or an `obs.toml` that will not do, and without
    obsws-python.
    """

    picture: tuple[tuple[int, int], float] = (1280, 720), 30.0

    def __init__(self, show: Show, address: str, sinks: Sequence[str]) -> None:
        obsws()
        source_for(sinks, *self.picture, address)
        self._show, self._address, self._sinks = show, address, sinks
        ObsNotes.read()
        self._obs: Obs | None = None
        self._faults = FaultLog(_log, "obs")
        self._scene = self._detail = ""
        self._delay_ms: int | None = None
        self._delayed = False
        self._wait = self.messages = self.reconnects = 0
        self._thread: SupervisedThread | None = None

    def start(self) -> None:
        self._thread = start_thread("obs", self.step, every_s=_STEP_S)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close(1.0)
        self._leave()

    def health(self) -> Health:
        state = "ok" if self._obs is not None else "lost"
        return Health("obs", state, self._detail, self.messages, 0, 0.0, self.reconnects)

    def is_late(self, output: str, milliseconds: int) -> None:
        """How late an output's picture is in OBS: the microphones are to be as late as what goes
        out by UDP, wherever to."""
        if output.startswith("udp ") and self._delay_ms is None:
            self._delay_ms = milliseconds

    def step(self) -> None:
        """Look once: connect, or follow the scene."""
        if self._wait > 0:
            self._wait -= 1
            return
        try:
            with understood():
                if self._obs is None:
                    self._obs = Obs(self._address)
                    source = source_for(self._sinks, *self.picture, self._address)
                    said = self._obs.show(source, ObsNotes.read())
                    _log.info("obs: %s", said)
                    self._faults.recovered()
                self._follow(self._obs)
        except LivedreamError as error:
            self.reconnects += self._obs is not None
            self._leave()
            self._detail, self._wait = reason(error), _AGAIN
            self._faults.failed(error, "is not there", traceback=False)

    def _follow(self, obs: Obs) -> None:
        if self._delay_ms is not None and not self._delayed:
            for name in obs.delay(self._delay_ms, ObsNotes.read()):
                _log.info("obs: %s: sync offset %d ms", name, self._delay_ms)
            self._delayed = True  # not before: where OBS goes meanwhile, it is done when it is back
        scene = obs.scene
        if scene == self._scene:
            return
        preset = preset_for(scene, ObsNotes.read(), self._show)
        self._scene, self.messages = scene, self.messages + 1
        self._detail = f"scene {scene}" + (f", preset {preset}" if preset else "")
        if preset:
            try:
                self._show.call_preset(preset, origin="obs")
            except LivedreamError as error:  # it has gone since
                _log.warning("obs: scene %s: %s", scene, reason(error))

    def _leave(self) -> None:
        if self._obs is not None:
            obs, self._obs = self._obs, None
            obs.close()


def preset_for(scene: str, notes: ObsNotes, show: Show) -> str:
    """The preset that goes with a scene, "" for none."""
    if scene in notes.scenes:
        return notes.scenes[scene]
    named: dict[str, str] = {one.title.casefold(): one.name for one in show.presets}
    named |= {one.name: one.name for one in show.presets}
    return named.get(scene.casefold(), "")
