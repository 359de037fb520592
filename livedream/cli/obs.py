"""``livedream obs``: what livedream did in OBS, which scene has which preset, and undoing it."""

import argparse

from livedream.cli.options import Commands
from livedream.cli.output import print_table
from livedream.core.errors import SettingsError
from livedream.core.redact import one_line


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "obs",
        help="OBS: scenes and their presets; undo what `live --obs` did",
        description="Show which preset goes with which scene of OBS, change that, or undo all "
        "that `livedream live --obs` has done there.",
    )
    parser.add_argument(
        "--at", default="", metavar="HOST:PORT",
        help="where OBS is (default: this machine); its password is taken from "
        "LIVEDREAM_OBS_PASSWORD, or on this machine from OBS's own settings",
    )  # fmt: skip
    parser.add_argument(
        "--scene", action="append", default=[], metavar="SCENE=PRESET",
        help="the preset for a scene; SCENE= for none; may be given several times "
        "(without: the preset of the same name)",
    )  # fmt: skip
    parser.add_argument(
        "--undo", action="store_true",
        help="remove the source that was created, and set the microphones' sync offsets back",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.control.live_parameters import LiveParameters
    from livedream.control.obs import Obs, preset_for
    from livedream.control.obs_connection import understood
    from livedream.control.obs_notes import ObsNotes
    from livedream.control.show import Show
    from livedream.core.settings import DreamSettings

    notes, show = ObsNotes.read(), Show(LiveParameters(DreamSettings()))
    for given in args.scene:
        scene, equals, preset = given.rpartition("=")
        if not equals or not scene:
            raise SettingsError(f"--scene: must be SCENE=PRESET (got {given})")
        if preset:
            show.presets.find(preset)
        notes.scenes[scene] = preset
    if args.scene:
        notes.write()
    obs = Obs(args.at)
    try:
        with understood():
            if args.undo:
                print("\n".join(map(one_line, obs.undo(notes))) or "nothing to undo")
                return 1 if notes.changes else 0
            version = obs.ask("GetVersion")
            said = f"OBS {version['obsVersion']}, WebSocket {version['obsWebSocketVersion']}"
            rows = [[one, preset_for(one, notes, show)] for one in obs.scenes()]
        print(one_line(said, 200))
        print_table(["scene", "preset"], rows)
    finally:
        obs.close()
    return 0
