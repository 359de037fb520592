"""What the display says, and that it is painted and fits."""

import os
from dataclasses import replace

import pytest

from livedream.core.health import Health, Status
from livedream.present.live.hud import hud_of
from livedream.present.live.hud_paint import Painter, import_pygame, unit_for

STATUS = Status(
    fps=24.96, dreams_per_s=8.4, latency_ms=48, dream_age_ms=431,
    stages_ms={"flow": 4.0, "dream": 80.0}, level=7.0, governor="iterations 2 to 1",
    dream_size=(480, 270), octaves=2, iterations=1, source=Health("clouds", "ok"),
    outputs=(Health("udp", "ok", dropped=3), Health("rtmp", "lost", "refused", since_s=10.0)),
    uptime_s=3754,
)  # fmt: skip


def test_what_is_said() -> None:
    hud = hud_of(STATUS, 14.0, now_s=22.0)
    assert hud.clock == "1:02:34"
    assert [f.value for f in hud.figures] == ["25.0", "8.4", "48", "431"]
    assert [f.alarm for f in hud.figures] == [False, False, False, True]
    assert hud.strength.value == "7.0 / 14.0"
    assert hud.strength.mark == pytest.approx(2 * hud.strength.length)
    assert [b.length for b in hud.stages] == [0.05, 1.0]
    assert [(p.name, p.detail) for p in hud.lamps] == [
        ("clouds", ""), ("rtmp", "lost 12 s"), ("udp", "3 dropped"),
    ]  # fmt: skip


def test_threads_are_named_only_while_they_are_not_well() -> None:
    threads = Health("loop", "ok"), Health("program", "lost", "ValueError: no preset", since_s=20.0)
    hud = hud_of(replace(STATUS, threads=threads), 14.0, now_s=22.0)
    assert [(p.name, p.detail) for p in hud.lamps[3:]] == [("program", "lost 2 s")]


def test_of_many_outputs_those_that_are_not_well_are_named() -> None:
    well = tuple(Health(f"ndi {number}", "ok") for number in range(6))
    lost = Health("udp", "lost", since_s=10.0), Health("rtmp", "failed", since_s=20.0)
    hud = hud_of(replace(STATUS, outputs=well + lost), 14.0, now_s=22.0)
    assert [lamp.name for lamp in hud.lamps[1:]] == [
        "udp", "rtmp", "ndi 0", "ndi 1", "ndi 2", "ndi 3",
    ]  # fmt: skip


def test_nothing_yet() -> None:
    hud = hud_of(Status(), 0.0, now_s=0.0)
    assert hud.stages == ()
    assert hud.strength.length == 0


@pytest.mark.parametrize("height", [200, 720, 2160])
def test_it_is_painted(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
    pygame = import_pygame()
    painter = Painter(unit_for(height))
    surface = painter.hud(hud_of(STATUS, 14.0, now_s=22.0))
    alpha = pygame.surfarray.array_alpha(surface)
    assert alpha[0, 0] < 128 < alpha[alpha.shape[0] // 2, 5]  # round corners, a dark panel
    light = pygame.surfarray.array3d(surface).max(axis=2)
    assert (light > 200).mean() > 0.002  # words
    assert len(set(light.ravel().tolist())) > 40  # with smooth edges
    assert (
        light[-painter.unit // 2 : -4, painter.unit : -painter.unit].max() < 80
    )  # and none run over the right edge
    assert painter.help([("F", "fullscreen"), ("", "show")]).get_height() > painter.unit * 2


def test_a_governor_with_much_to_say_takes_more_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
    painter = Painter(18)
    short = painter.hud(hud_of(STATUS, 14.0, now_s=22.0))
    text = "reduced to 191p and 75% of the flow size to keep the frame rate"
    long = painter.hud(hud_of(replace(STATUS, governor=text), 14.0, now_s=22.0))
    assert painter.line(text, 9999).get_width() > 25 * painter.unit  # one line has no room for it
    assert painter.line(text, 320).get_width() == 320
    assert long.get_height() - short.get_height() == pytest.approx(1.2 * painter.unit, abs=1)
