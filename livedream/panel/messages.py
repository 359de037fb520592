"""What each message of a page does, and what is sent to pages.

Messages are JSON objects with one of these entries:

    {"set": NAME, "unit": 0..1}    {"set": NAME, "value": VALUE}     a parameter
    {"apply": {NAME: VALUE, ...}}                                    several, at once
    {"default": NAME}                                                back to its declared default
    {"act": NAME}                                                    an action
    {"preset": NAME, "seconds": S}    {"program": NAME or null}; "now": true: they do not wait
    {"bpm": N}    {"modulators": [{...}, ...]}    {"learn": TARGET or null}
    {"save": NAME, "title": TEXT}    {"forget": NAME}                the user's own presets
    {"ready": true}                                                  the last picture was shown
    {"paint": POINTS, ...}    {"painting": "undo" or "clear"}        see `region/painting`; as seen
    {"keep": NAME}                                                   what is painted, in a file
    {"overlay": true or false}                                       the region over the picture

A NAME that begins with `wall/` is that of a setting or action of the window: `wall_control`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from livedream.control.catalogue import Catalogue
from livedream.control.keys import KEYS
from livedream.control.live_parameters import LiveParameters
from livedream.control.midi import MidiInput
from livedream.control.modulation import MAXIMUM, SHAPES, SOURCES, Modulator
from livedream.control.presets import LONGEST_CROSSFADE_S, Preset
from livedream.control.programs import list_programs
from livedream.control.show import ACTIONS, Show
from livedream.control.tempo import MAXIMUM_BPM, MINIMUM_BPM
from livedream.core.errors import SettingsError
from livedream.core.grade import MOMENTS
from livedream.core.parameters import Parameter, as_number
from livedream.core.user_folders import toml_files
from livedream.dream.networks.registry import DEFAULT_NETWORK, in_turns
from livedream.present.live.wall_control import ACTIONS as WALL_ACTIONS
from livedream.present.live.wall_control import ROOT, WallControl
from livedream.present.live.wall_control import SETTINGS as WALL_SETTINGS
from livedream.region.painting import LARGEST_BRUSH, LEAST_BRUSH, kept_files
from livedream.region.value import Leaf

_HANGS_S: Final = 10.0  # heuristic: the loop publishes four times a second, without a source too


class MessageHandler:
    """Thread-safe, as `parameters` and `show` are.

    saved: called with a preset's name when one was saved.  phone: whether other devices can reach
    the panel.  wall: the window's displays.
    """

    def __init__(
        self,
        parameters: LiveParameters,
        show: Show,
        catalogue: Catalogue,
        learner: MidiInput | None = None,
        saved: Callable[[str], None] = lambda name: None,
        *,
        phone: bool = False,
        wall: WallControl | None = None,
    ) -> None:
        self.parameters, self.show, self.catalogue = parameters, show, catalogue
        self._wall = wall if wall is not None else WallControl()
        self.learner, self._saved, self.phone = learner, saved, phone

    def handle(self, message: Any, origin: str) -> None:  # noqa: PLR0912 (one case a message)
        """Do what a message says. Raises LivedreamError, in one line, for what makes no sense."""
        show, parameters = self.show, self.parameters
        now = isinstance(message, Mapping) and message.get("now") is True
        match message:
            case {"set": str(name)} | {"default": str(name)} | {"act": str(name)} if (
                name.startswith(ROOT)
            ):
                self._handle_wall(message, name, origin)
            case {"set": name, "unit": unit}:
                place = as_number(unit, "unit")
                parameters.set_unit(_text(name, "set"), place, origin=origin)
            case {"set": name}:
                parameters.set(_text(name, "set"), message.get("value"), origin=origin)
            case {"apply": dict(values)}:
                parameters.apply(values, origin=origin, ramp_s=0.0)
            case {"default": name}:
                parameter = parameters.declared.get(_text(name, "default"))
                parameters.set(name, parameter.default if parameter else None, origin=origin)
            case {"act": name}:
                show.act(_text(name, "act"), origin=origin)
            case {"preset": name}:
                seconds = message.get("seconds")
                seconds = None if seconds is None else as_number(seconds, "seconds")
                show.call_preset(_text(name, "preset"), seconds, origin=origin, now=now)
            case {"program": name}:
                wanted = None if name is None else _text(name, "program")
                show.call_program(wanted, origin=origin, now=now)
            case {"bpm": bpm}:
                show.set_bpm(as_number(bpm, "bpm"))
            case {"modulators": [*found]} if all(isinstance(one, dict) for one in found):
                show.modulate([Modulator.from_mapping(one) for one in found[: MAXIMUM + 1]])
            case {"modulators": _}:
                raise SettingsError("modulators: must be a list of objects")
            case {"learn": target}:
                if self.learner is None:
                    raise SettingsError("midi: not in use; start livedream live with --midi all")
                self.learner.learn(None if target is None else _text(target, "learn"))
            case {"save": name}:
                show.save(_text(name, "save"), title=str(message.get("title", "")))
                self._saved(name)
            case {"paint": _} | {"painting": _}:
                parameters.paint(
                    _on_camera(message, mirrored=parameters.target("mirror")), origin=origin
                )
            case {"keep": name}:
                parameters.painting.keep(_text(name, "keep"))
                show.notify()
            case {"forget": name}:
                show.presets.remove(_text(name, "forget"))
                show.notify()
            case dict():
                raise SettingsError(f"message: unknown: {str(sorted(map(str, message)))[:80]}")
            case _:
                raise SettingsError("message: must be a JSON object")

    def _handle_wall(self, message: Mapping[str, Any], name: str, origin: str) -> None:
        wall = self._wall
        if "act" in message:
            wall.act(name)
        elif "default" in message:
            wall.set_default(name, origin=origin)
        elif "unit" in message:
            wall.set_unit(name, as_number(message["unit"], "unit"), origin=origin)
        else:
            wall.set(name, message.get("value"), origin=origin)

    def wall(self) -> list[dict[str, Any]]:
        """The window's displays, from the left; none while there is no window.

        Apart from the parameters' values: what is set there stays where the display is.
        """
        return [
            {
                **_picked(state, "number name undo redo fault"),
                "values": {
                    name: [state.value(name), round(one.to_unit(state.value(name)), 5)]
                    for name, one in WALL_SETTINGS.items()
                },
            }
            for state in self._wall.displays
        ]

    def hello(self) -> dict[str, Any]:
        """What does not change while a page is open."""
        return {
            "parameters": [_card(one) for one in self.parameters.declared.values()],
            "actions": dict(ACTIONS),
            "keys": {key: act for key, act in KEYS.items() if len(key) == 1 or key == "space"},
            "builtin": sorted(
                name for name, _, own in toml_files("presets", self.show.presets.folder) if not own
            ),
            "sources": list(SOURCES),
            "shapes": list(SHAPES),
            "limits": {
                "crossfade_s": LONGEST_CROSSFADE_S,
                "bpm": [MINIMUM_BPM, MAXIMUM_BPM],
                "modulators": MAXIMUM,
            },
            "wall": {
                "settings": [_card(one) for one in WALL_SETTINGS.values()],
                "actions": dict(WALL_ACTIONS),
            },
            "brush": [LEAST_BRUSH, LARGEST_BRUSH],
            "networks": [asdict(card) for card in self.catalogue.networks],
            "midi": self.learner is not None,
            "phone": self.phone,
        }

    def values(self, names: Any = None) -> dict[str, Any]:
        """[target, position on the slider] of the parameters named, None for all."""
        targets = self.parameters.targets()
        return {
            name: [targets[name], round(self.parameters.declared[name].to_unit(targets[name]), 5)]
            for name in (targets if names is None else names)
            if name in targets
        }

    def moved(self) -> dict[str, float]:
        """Slider positions, now, of what is on its way or modulated."""
        now = self.parameters.peek()
        found = {}
        for name, target in self.parameters.targets().items():
            parameter = self.parameters.declared[name]
            if parameter.kind in (int, float):
                value = getattr(now.grade if hasattr(now.grade, name) else now.dream, name)
                if value != target:
                    found[name] = round(parameter.to_unit(value), 4)
        return found

    def state(self) -> dict[str, Any]:
        """What changes now and then: presets, program, tempo, modulators, layers."""
        show = self.show
        program, queued = show.running_program, show.queued
        named = self.parameters.target("network")
        network = named or DEFAULT_NETWORK
        programs, broken = list_programs()
        return {
            "preset": show.preset_name,
            "presets": [
                {**_picked(one, "name title about own"), "network": self._network_of(one)}
                for one in show.presets
            ],
            "broken": [*show.presets.broken.values(), *broken.values()],
            "programs": [
                {**_picked(one, "name title length_s"), "steps": len(one.steps)}
                for one in programs.values()
            ],
            "program": program.name if program else None,
            "step": show.program_step,
            "queued": queued and {
                "program" if queued.program else "preset": queued.name, "title": queued.title
            },
            "bpm": round(show.tempo.bpm, 1),
            "bpm_set": show.tempo.told,
            "attracting": show.attracting,
            "modulators": [one.as_dict() for one in show.modulation.modulators],
            "learning": self.learner.learning if self.learner else None,
            "named": named,  # empty: nobody has named one
            "network": network,  # whose layers are offered
            "dreaming": self._shown(self.parameters.dreaming),
            "masks": [str(Leaf("mask", (str(path),))) for path in kept_files()],
            "layers": list(self._layers(network)),
        }  # fmt: skip

    def _layers(self, network: str) -> Iterator[dict[str, Any]]:
        """Of a network, or of two in turns those that either has."""
        names = set()
        for one in in_turns(network):
            card = self.catalogue.find(one)
            for layer in self.catalogue.layers(one):
                if layer.name not in names:
                    names.add(layer.name)
                    yield {**asdict(layer), "network": one, "mark": card.mark if card else ""}

    def _network_of(self, preset: Preset) -> str:
        """The network that dreams a preset."""
        values = preset.over(self.show.started_with)
        return self._shown(self.parameters.dreams(values["network"], values["prompt"]))

    def _shown(self, network: str) -> str:
        """A network that dreams, by its name; weights of the user's own may be for any."""
        own = self.parameters.peek().dream.weights and not self.show.started_with["network"]
        return network or ("your weights" if own else DEFAULT_NETWORK)


def _card(parameter: Parameter) -> dict[str, Any]:
    """A parameter's declaration, as the page needs it."""
    numeric = parameter.kind in (int, float)
    low, high = parameter.span() if numeric else (0.0, 1.0)
    plain = "name help unit group advanced default minimum maximum logarithmic offered"
    return {
        **_picked(parameter, plain), "kind": parameter.kind.__name__, "wanted": parameter.wanted(),
        "open": parameter.grammar is not None,
        # A moment stands as a large button, not among the parameters.
        "low": low, "high": high, "button": parameter.name in MOMENTS,
    }  # fmt: skip


def _on_camera(message: Mapping[str, Any], *, mirrored: bool) -> Mapping[str, Any]:
    """What was painted on the picture that is seen, as it lies on the camera's.

    What is no point stays as it is, to be refused.
    """
    points = message.get("paint")
    if not mirrored or not isinstance(points, list):
        return message
    swapped = [
        [1 - point[0], *point[1:]]
        if isinstance(point, list) and point and isinstance(point[0], int | float)
        else point
        for point in points
    ]
    return {**message, "paint": swapped}


def _picked(one: Any, names: str) -> dict[str, Any]:
    return {name: getattr(one, name) for name in names.split()}


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{name}: must be text (got {str(value)[:40]!r})")
    return value


def health(
    status: Mapping[str, Any], controllers: Mapping[str, Any], now_s: float
) -> dict[str, Any]:
    """/health: the loop's status, the controllers', and in one word whether all is well.

    now_s: monotonic. A loop that hangs publishes nothing, its last status would stay for ever.
    """
    parts = [status["source"], *status["beside"], *status["outputs"], *status["threads"]]
    parts += controllers.values()
    # What gives a reason while it starts has been tried in vain.
    states = {
        "lost" if part["state"] == "starting" and part["detail"] else part["state"]
        for part in parts
    }
    word = "failed" if "failed" in states else "lost" if "lost" in states else "ok"
    notes, silent_s = status["notes"], now_s - status["time_s"]
    if status["frames"] and silent_s >= _HANGS_S:
        word, notes = "failed", (*notes, f"no picture for {silent_s:.0f} s")
    return {"state": word, **status, "notes": notes, "controllers": dict(controllers)}
