"""The page in a real Chromium: a slider is moved, the picture changes, another page follows.

One file, long as it is, for one browser and one page. With LIVEDREAM_SCREENSHOTS set to a folder,
pictures of every page are left there.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from chromium import Browser, Page
from panel_made import Stage, open_stage
from waiting import until

from livedream.control.modulation import Modulator
from livedream.core.addresses import Endpoint
from livedream.core.health import Health
from livedream.panel.pictures import jpeg
from livedream.present.live.placement import Placement
from livedream.present.live.wall_control import DisplayState

BRIGHTNESS = (
    "(() => { const c = document.getElementById('preview'); const d = c.getContext('2d')"
    ".getImageData(0, 0, c.width, c.height).data; let s = 0;"
    " for (let i = 0; i < d.length; i += 4) s += d[i] + d[i + 1] + d[i + 2];"
    " return s / (d.length / 4) / 3; })()"
)
TABS = ("presets", "motifs", "dream", "grade", "modulate", "system")
READY = "document.querySelectorAll('#page-presets .card').length > 11"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    with open_stage(tmp_path) as made:
        yield made


def laptop(browser: Browser, stage: Stage) -> Page:
    page = browser.page(f"http://{stage.address}/", width=1440, height=900)
    page.wait(READY)
    return page


def phone(browser: Browser, stage: Stage) -> Page:
    page = browser.page(f"http://{stage.address}/", width=390, height=844, scale=2, phone=True)
    page.wait(READY)
    return page


def turn(page: Page, name: str) -> None:
    page.evaluate(f"document.querySelector('[data-page={name}]').click()")


def test_a_slider_moves_the_parameter_the_picture_and_the_other_page(
    browser: Browser, stage: Stage
) -> None:
    here, there = laptop(browser, stage), phone(browser, stage)
    turn(here, "grade")
    turn(there, "grade")
    here.wait(f"{BRIGHTNESS} > 60")
    there.wait(f"{BRIGHTNESS} > 60")
    before = here.evaluate(BRIGHTNESS)
    here.call("Page.bringToFront")
    here.drag('#page-grade [data-name="brightness"]', 0.5, 0.2)
    here.wait(f"{BRIGHTNESS} < {before * 0.6}")
    assert stage.parameters.target("brightness") == pytest.approx(0.4, abs=0.06)
    there.wait(f"{BRIGHTNESS} < {before * 0.6}")
    shown = "document.querySelector('#page-grade [data-name=brightness] .number').textContent"
    told = f"{stage.parameters.target('brightness'):.2f}"
    assert there.wait(f"{shown} === '{told}'")
    assert here.faults == there.faults == []


def test_buttons_presets_and_typed_numbers(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    page.click('[data-act="freeze"]')
    page.wait("document.querySelector('[data-act=freeze]').getAttribute('aria-pressed') === 'true'")
    assert stage.parameters.target("freeze")
    page.click('[data-preset="menagerie"] .pick')
    page.wait("document.querySelector('[data-preset=menagerie] .pick').ariaPressed === 'true'")
    assert stage.show.preset_name == "menagerie"
    assert stage.parameters.target("motif") == 0.97
    page.evaluate("document.querySelector('#masters [data-name=strength] .number').click()")
    page.evaluate("document.querySelector('#masters .fader input').value = '77,5'")
    page.evaluate("document.querySelector('#masters .fader input').blur()")
    page.wait(
        "document.querySelector('#masters [data-name=strength] .number').textContent"
        ".startsWith('77.5')"
    )
    assert stage.parameters.target("strength") == 77.5  # beyond the slider, within the range
    assert page.faults == []


def test_when_programs_change_is_chosen_beside_them(browser: Browser, stage: Stage) -> None:
    page = phone(browser, stage)
    select = "document.querySelector('#page-presets [data-name=on] select')"
    typed = "document.querySelector('#page-presets [data-name=on] input')"
    choose = f"{select}.value = '%s'; {select}.dispatchEvent(new Event('change'))"
    page.evaluate(choose % "bar:8")
    page.wait(f"{select}.value === 'bar:8'")
    until(lambda: stage.parameters.target("on") == "bar:8")
    stage.parameters.set("on", "bar:12")  # somebody else
    page.wait(f"{select}.value === 'bar:12'")
    page.evaluate(choose % "another…")
    assert page.evaluate(f"{select}.hidden && document.activeElement === {typed}")
    page.enter("bar:0")
    said = f"{select}.closest('.plate').parentNode.querySelector('.refused').textContent"
    page.wait(f"{said} === 'on: must be off, beat, bar, beat:N or bar:N with N up to 4096 "
              "(got \\'bar:0\\')'")  # fmt: skip
    assert page.evaluate(f"{select}.value") == stage.parameters.target("on") == "bar:12"
    page.evaluate(choose % "another…")
    page.enter("beat:3")
    page.wait(f"{select}.value === 'beat:3'")
    assert stage.parameters.target("on") == "beat:3"
    assert page.faults == []


def test_what_waits_for_its_bar_is_shown(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    select = "document.querySelector('#page-presets [data-name=launch] select')"
    assert page.evaluate(f"{select}.selectedOptions[0].textContent") == "at once"
    stage.show.preset("ink")
    stage.parameters.set("launch", "beat:4096")  # half an hour
    page.wait(f"{select}.selectedOptions[0].textContent === 'every 4096 beats'")
    queued = (
        "[...document.querySelectorAll('#page-presets .queued')].map((one) => one.dataset.name)"
    )
    said = "document.getElementById('queued').textContent"
    page.click('[data-preset="menagerie"] .pick')
    page.wait(f"{queued}.join() === 'preset:menagerie' && {said} === 'next: Menagerie'")
    assert stage.show.preset_name == "ink"
    page.click('[data-name="program:aviary"]')
    page.wait(f"{queued}.join() === 'program:aviary'")
    page.click('[data-preset="neon"] .pick')
    page.wait(f"{queued}.join() === 'preset:neon'")
    page.click('[data-preset="neon"] .pick')  # once more: at once
    page.wait(f"{queued}.length === 0 && {said} === ''")
    page.wait("document.querySelector('[data-preset=neon] .pick').ariaPressed === 'true'")
    assert stage.show.preset_name == "neon"
    assert page.faults == []


def test_the_window_is_set_where_there_is_one(browser: Browser, stage: Stage) -> None:
    page = phone(browser, stage)
    turn(page, "system")
    section = "document.querySelector('[data-display=\"{}\"]')"
    assert page.evaluate(f"{section.format(0)} === null")
    # The one between them is missing.
    left, right = (DisplayState(n, f"display {n}", Placement()) for n in (0, 2))
    stage.wall.publish((left, right))
    page.wait(f"{section.format(2)} !== null")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    mesh = "document.querySelector('[data-name=\"wall/2/mesh\"] select')"
    page.evaluate(f"{mesh}.value = '5x5'; {mesh}.dispatchEvent(new Event('change'))")
    page.evaluate("document.querySelector('[data-name=\"wall/0/test_card\"] button').click()")
    page.drag('[data-name="wall/2/edge_left"]', 0.2, 0.6)
    taken: list[tuple[int, str, object]] = []
    until(lambda: (taken.extend(stage.wall.take()), "edge_left" in str(taken[2:]))[1])
    assert taken[:2] == [(2, "mesh", "5x5"), (0, "test_card", True)]
    assert taken[-1][:2] == (2, "edge_left")
    number = "document.querySelector('[data-name=\"wall/2/edge_left\"] .number').textContent"
    right = replace(right, placement=Placement(edges=(0.3, 0.0, 0.7, 0.0)))
    stage.wall.publish((left, right))
    page.wait(f"{number} === '0.30'")
    why = (
        "[...document.querySelectorAll('[data-display] .refused')].map((p) => p.textContent).join()"
    )
    refused = f"{why}.includes('edges: must be left,top,right,bottom')"
    under_the_finger = f"{refused} && {number} !== '0.30'"
    page.drag(
        '[data-name="wall/2/edge_left"]', 0.6, 0.9, held=lambda: page.wait(under_the_finger)
    )  # over the one opposite, and answered before it is let go
    page.wait(f"{number} === '0.30' && {refused}")
    undo = section.format(2) + ".querySelector('.row button')"
    assert page.evaluate(f"{undo}.disabled && {undo}.textContent === 'Undo'")
    stage.wall.publish((left, replace(right, undo=True, fault="the disk is full")))
    page.wait(f"!{undo}.disabled")
    assert "the disk is full" in page.evaluate(section.format(2) + ".textContent")
    page.evaluate(f"{undo}.click()")
    taken.clear()
    until(lambda: (taken.extend(stage.wall.take()), "undo" in str(taken))[1])
    stage.wall.publish(())
    page.wait(f"{section.format(0)} === null || {section.format(0)}.offsetParent === null")
    assert page.faults == []


def test_shift_is_finer_for_the_arrow_keys_as_for_a_drag(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    turn(page, "grade")
    fader = '#page-grade [data-name="brightness"]'
    place = f"Number(document.querySelector('{fader}').ariaValueNow)"
    page.call("Page.bringToFront")
    page.evaluate(f"document.querySelector('{fader}').focus()")
    places = [page.evaluate(place)]
    for shift in (False, True):
        page.key("ArrowRight", code=39, shift=shift)
        places.append(page.wait(f"{place} > {places[-1]} && {place}"))
    coarse, fine = places[1] - places[0], places[2] - places[1]
    assert coarse == pytest.approx(0.01, abs=0.0011)
    assert fine == pytest.approx(0.2 * coarse, abs=0.0011)  # as 0.2 of a drag's way


def test_layers_and_their_weights(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    turn(page, "motifs")
    page.click('.motif[data-target="eyes"] .pick')
    page.wait("document.querySelector('.motif[data-target=eyes] .pick').ariaPressed === 'true'")
    page.click('.motif[data-target="weave"] .corner')
    page.wait("document.querySelectorAll('#page-motifs .fader').length === 2")
    assert stage.parameters.target("objective") == "eyes + 0.5*weave"
    page.drag('[data-name="term weave"]', 0.6, 0.9)
    until(lambda: "0.5*weave" not in stage.parameters.target("objective"))
    assert float(stage.parameters.target("objective").split("*")[0].split("+ ")[1]) > 1
    page.click('.motif[data-target="eyes"] .open')
    page.wait("document.querySelector('.motif[data-target=\"eyes:11\"]') !== null")
    assert page.faults == []


def test_a_network_is_named_and_left_to_the_prompt_again(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    turn(page, "motifs")
    pressed = "document.querySelector('#page-motifs [data-network][aria-pressed=true]').innerText"
    dreams = (
        "[...document.querySelectorAll('#page-motifs [data-network]')]"
        ".filter((chip) => !chip.querySelector('small').hidden).map((chip) => chip.dataset.network)"
        ".join()"
    )
    page.wait(f"{pressed} === 'automatic' && {dreams} === 'dreamnet'")
    stage.parameters.set("prompt", "elephant")
    page.wait(f"{pressed} === 'automatic' && {dreams} === 'dreamnet,dreamnet-things'")
    page.click("#page-motifs [data-network=dreamnet]")
    page.wait(f"{pressed} === 'dreamnet' && {dreams} === ''")
    assert stage.parameters.target("network") == "dreamnet"
    page.click('#page-motifs [data-network=""]')
    page.wait(f"{pressed} === 'automatic' && {dreams} === 'dreamnet'")
    assert stage.parameters.target("network") == ""
    assert page.faults == []


def test_two_networks_are_put_in_turns_and_one_is_taken_out_again(
    browser: Browser, stage: Stage
) -> None:
    page = laptop(browser, stage)
    turn(page, "motifs")
    page.click("#page-motifs [data-network=dreamnet-birds]")
    beside = "[...document.querySelectorAll('#page-motifs .row.after .chip')]"
    found = f"{beside}.find((chip) => chip.innerText === '%s')"
    page.wait("!document.querySelector('#page-motifs .row.after').hidden")
    page.evaluate(f"({found % 'dreamnet-insects'}).click()")
    page.wait("!!document.querySelector('#page-motifs [data-target=wings]')")
    assert stage.parameters.target("network") == "dreamnet-birds+dreamnet-insects"
    assert page.evaluate("!!document.querySelector('#page-motifs [data-target=plumage]')")
    if "LIVEDREAM_SCREENSHOTS" in os.environ:
        page.screenshot(Path(os.environ["LIVEDREAM_SCREENSHOTS"]) / "laptop-in-turns.png")
    page.evaluate(f"({found % 'none'}).click()")
    page.wait("!document.querySelector('#page-motifs [data-target=wings]')")
    assert stage.parameters.target("network") == "dreamnet-birds"


def test_a_prompt_and_what_is_no_sum_of_layers_are_told_apart(
    browser: Browser, stage: Stage
) -> None:
    page = laptop(browser, stage)
    turn(page, "motifs")
    said = "(document.querySelector('#page-motifs .faders .help')?.textContent ?? '')"
    stage.parameters.set("prompt", "owl")
    page.wait(f"{said}.startsWith('The prompt “owl” is dreamed')")
    assert not page.evaluate("document.querySelectorAll('#page-motifs .card.on').length")
    add = "document.querySelector('.motif[data-target={}] .corner').click()"  # cards still move
    page.evaluate(add.format("eyes"))
    until(lambda: stage.parameters.target("objective") == "eyes")
    page.wait(f"{said} === ''")
    stage.parameters.set("objective", "eyes@moving")
    page.wait(f"{said}.startsWith('This objective is more')")
    page.evaluate(add.format("weave"))
    until(lambda: stage.parameters.target("objective") == "eyes@moving + 0.5*weave")
    assert page.faults == []


def test_every_parameter_has_its_place_and_a_thumb_finds_it(browser: Browser, stage: Stage) -> None:
    page = phone(browser, stage)
    for name in stage.parameters.declared:
        if name in ("network", "objective"):  # the motifs' page
            continue
        where = f'document.querySelector(\'[data-name="{name}"], [data-act="{name}"]\')'
        assert page.evaluate(f"{where} !== null"), name
    for tab in TABS:
        turn(page, tab)
        small = page.evaluate(
            "[...document.querySelectorAll('button, .fader, select')].filter((node) => {"
            " const box = node.getBoundingClientRect();"
            " return box.width && box.height && box.height < 32; }).map((node) => node.outerHTML)"
        )
        assert small == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), tab
    assert page.faults == []


def test_the_page_comes_back_when_the_panel_does(browser: Browser, tmp_path: Path) -> None:
    with open_stage(tmp_path) as first:
        page = laptop(browser, first)
        port = first.panel.access.endpoint
    page.wait("document.getElementById('link').textContent.startsWith('no connection')")
    with open_stage(tmp_path, port) as second:
        second.parameters.set("strength", 33.0)
        page.wait(
            "document.querySelector('#masters .number')?.textContent.startsWith('33')"
            " && document.getElementById('link').textContent.startsWith('clouds')"
            f" && {READY}"
        )
        # what it could not fetch while the panel was away
        assert [fault for fault in page.faults if "net::ERR_" not in fault] == []


def test_learn_midi_is_on_where_its_button_says_so_and_over_without_midi(
    browser: Browser, tmp_path: Path
) -> None:
    midi = Mock(learning=None)
    on = "document.querySelector('#page-system [aria-pressed=true]')?.textContent"
    back = (
        "document.getElementById('link').textContent.startsWith('clouds')"
        " && document.getElementById('page-system').checkVisibility()"
    )
    with open_stage(tmp_path, learner=midi) as first:
        page = laptop(browser, first)
        endpoint = first.panel.access.endpoint
        turn(page, "system")
        press(page, "Learn MIDI: click a control, then move a knob")
        page.wait(f"{on}.startsWith('Learn MIDI')")
    page.wait("document.getElementById('link').textContent.startsWith('no connection')")
    with open_stage(tmp_path, endpoint, learner=midi):
        page.wait(back)
        assert page.evaluate(f"{on}?.startsWith('Learn MIDI')")
        page.click("[data-act=blackout]")
        until(lambda: midi.learn.called)
        midi.learn.assert_called_once_with("act:blackout")
    page.wait("document.getElementById('link').textContent.startsWith('no connection')")
    with open_stage(tmp_path, endpoint) as last:
        page.wait(back)
        page.click("[data-act=blackout]")
        until(lambda: last.parameters.target("blackout"))


def test_a_page_with_a_token_of_the_show_before_is_told_so(
    browser: Browser, tmp_path: Path
) -> None:
    with open_stage(tmp_path, Endpoint("0.0.0.0", 0), "first") as first:
        page = browser.page(f"http://{first.address}/?token=first", width=390, height=844)
        page.wait(READY)
    with open_stage(tmp_path, first.panel.access.endpoint, "second"):
        said = "document.getElementById('link').textContent"
        page.wait(f"{said}.startsWith('the token is missing or wrong')")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
        assert page.box("#link")["height"] > 20  # it is not cut


def test_a_connection_that_says_nothing_is_dead_and_what_is_pressed_is_answered(
    browser: Browser, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = laptop(browser, stage)
    page.wait("document.getElementById('link').textContent.startsWith('clouds')")
    page.evaluate("window.WebSocket = class { static OPEN = 1; }")  # no other connection
    # Private: a panel that runs is never silent, and the page's socket stays open.
    monkeypatch.setattr(stage.panel.broadcaster, "_tick", lambda tick: None)
    page.wait("document.getElementById('link').textContent.startsWith('no connection')")
    page.click("[data-act=blackout]")
    said = "document.getElementById('fault')"
    page.wait(f"!{said}.hidden && {said}.textContent.startsWith('No connection')")
    assert page.faults == []


def test_nothing_is_loaded_from_elsewhere(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    names = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert names
    assert all(name.startswith(f"http://{stage.address}/") for name in names)


STRENGTH = "#masters [data-name=strength]"


def test_a_double_click_brings_the_default_back(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    usual = stage.parameters.declared["strength"].default
    for at in (0.3, 0.5, 0.7):
        page.double_click(STRENGTH, at)
        page.wait(f"document.querySelector('{STRENGTH}').ariaValueText.startsWith('{usual:.1f}')")
        page.evaluate("new Promise((done) => setTimeout(done, 200))")  # what waited would come now
        assert stage.parameters.target("strength") == usual
    turn(page, "modulate")
    page.click("#page-modulate .after button")
    page.wait("document.querySelector('.mod') !== null")
    page.double_click('[data-name="depth 0"]', 0.7)
    until(lambda: stage.show.modulation.modulators[0].depth == 0)
    page.wait("document.querySelector('[data-name=\"depth 0\"]').ariaValueText.startsWith('0.00')")
    assert page.faults == []


def test_a_number_typed_and_entered(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    page.click(f"{STRENGTH} .number")
    page.enter("21,5")
    until(lambda: stage.parameters.target("strength") == 21.5)
    page.click(f"{STRENGTH} .number")
    page.call("Input.insertText", text="3")
    page.key("Escape", code=27)
    page.key("b", "b", 66)  # the focus is on the page again
    until(lambda: stage.parameters.target("blackout"))
    assert stage.parameters.target("strength") == 21.5
    assert page.faults == []


@pytest.mark.parametrize(
    ("tab", "selector"),
    [
        ("presets", "[data-act=blackout]"),
        ("presets", "[data-preset=ink] .pick"),
        ("presets", STRENGTH),
        ("grade", "#page-grade .switch"),
        ("modulate", ".mod select"),
        ("presets", "[data-page=presets]"),
    ],
)
def test_space_freezes_wherever_the_focus_is(
    browser: Browser, stage: Stage, tab: str, selector: str
) -> None:
    stage.show.modulate([Modulator(parameter="hue")], seconds=0)
    page = laptop(browser, stage)
    turn(page, tab)
    page.wait(f"document.querySelector('{selector}') !== null")
    before = stage.parameters.targets()
    page.evaluate(f"document.querySelector('{selector}').focus()")
    page.key(" ", " ", 32)
    until(lambda: stage.parameters.target("freeze"))
    page.key("t", "t", 84)  # comes after whatever space has done
    assert stage.parameters.targets() == {**before, "freeze": True}
    assert stage.show.preset_name == ""


def test_the_keys_of_the_window_are_the_pages_too(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    page.key("m", "m", 77)
    until(lambda: stage.parameters.target("mirror"))
    page.key("3", "3", 51)
    until(lambda: stage.show.preset_name == stage.show.presets.names[2])
    assert page.faults == []


def test_space_in_a_text_is_a_space(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    page.evaluate("document.querySelector('#page-presets .field').focus()")
    page.key(" ", " ", 32)
    assert page.evaluate("document.querySelector('#page-presets .field').value") == " "
    assert not stage.parameters.target("freeze")


def save_as(page: Page, name: str, agreed: bool) -> str:
    """What the page asks when a preset is saved as `name`; "" for no question."""
    answer = "true" if agreed else "false"
    page.evaluate(
        f"window.asked = ''; window.confirm = (text) => {{ asked = text; return {answer}; }}"
    )
    page.evaluate("document.querySelector('#page-presets .field').focus()")
    page.evaluate("document.querySelector('#page-presets .field').select()")
    page.enter(name)
    asked: str = page.evaluate("window.asked")
    return asked


def test_a_built_in_preset_is_not_replaced_unasked(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    assert "built-in" in save_as(page, "Ink", agreed=False)
    assert save_as(page, "Something else", agreed=False) == ""
    until(lambda: "something-else" in stage.show.presets.names)
    assert not stage.show.presets.find("ink").own
    save_as(page, "Ink", agreed=True)
    until(lambda: stage.show.presets.find("ink").own)
    page.wait("document.querySelector('[data-preset=ink] small').textContent.includes('yours')")
    assert "your preset" in save_as(page, "ink", agreed=False)
    save_as(page, "夜", agreed=True)
    refused = "[...document.querySelectorAll('#page-presets .refused')]"
    page.wait(f"{refused}.some((one) => one.textContent.includes('a letter'))")
    page.evaluate("window.confirm = (text) => { asked = text; return true; }")
    page.click("[data-preset=ink] .corner")
    until(lambda: not stage.show.presets.find("ink").own)  # the built-in one is there again
    assert "comes back" in page.evaluate("window.asked")


def test_a_preset_that_is_replaced_has_another_picture(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    shows = (
        "(() => { const image = document.querySelector('[data-preset=mine] img');"
        " if (!image?.naturalWidth) return -1;"
        " const c = new OffscreenCanvas(1, 1).getContext('2d');"
        " c.drawImage(image, 0, 0, 1, 1); return c.getImageData(0, 0, 1, 1).data[1]; })()"
    )
    page.wait(f"{BRIGHTNESS} > 60")
    save_as(page, "mine", agreed=True)
    page.wait("document.querySelector('[data-preset=mine]') !== null")
    page.box("[data-preset=mine]")  # in sight: else its picture is not loaded
    page.wait(f"{shows} > 60")
    stage.parameters.set("brightness", 0.2)
    page.wait(f"{BRIGHTNESS} < 40 && {BRIGHTNESS} >= 0")
    save_as(page, "mine", agreed=True)
    page.box("[data-preset=mine]")
    page.wait(f"{shows} >= 0 && {shows} < 50")
    assert page.faults == []


def test_preset_and_program_in_force_are_named(browser: Browser, stage: Stage) -> None:
    for page in (laptop(browser, stage), phone(browser, stage)):
        for tab in TABS:
            turn(page, tab)
            assert (
                page.evaluate("document.getElementById('now').getBoundingClientRect().bottom") < 60
            )
        stage.show.preset("drifting-eyes")
        page.wait("document.getElementById('preset').textContent === 'Drifting eyes'")
        stage.show.program("aviary")
        steps = len(stage.show.running_program.steps)  # type: ignore[union-attr]
        page.wait(f"document.getElementById('program').textContent === 'Aviary, 1 of {steps}'")
        stage.show.program(None)
        page.wait("document.getElementById('program').textContent === ''")
        assert page.faults == []


def test_a_modulators_fields_stand_in_a_row(browser: Browser, stage: Stage) -> None:
    stage.show.modulate([Modulator(parameter="octave_scale", shape="triangle", beats=4)], seconds=0)
    page = laptop(browser, stage)
    turn(page, "modulate")
    page.wait("document.querySelector('.mod') !== null")
    boxes = page.evaluate(
        "[...document.querySelectorAll('.mod select, .mod input, .mod .chip')]"
        ".map((node) => node.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) == 6
    assert len({round(box["y"] + box["height"] / 2) for box in boxes}) == 1
    page.evaluate(
        "(() => { const node = document.querySelector('.mod [aria-label=Source]');"
        " node.focus(); node.value = 'bass'; node.dispatchEvent(new Event('change')); })()"
    )
    assert page.evaluate("document.querySelectorAll('.mod select').length") == 2  # no shape
    assert page.evaluate("document.activeElement.value") == "bass"
    until(lambda: stage.show.modulation.modulators[0].source == "bass")


def test_a_page_is_where_it_was_left(browser: Browser, stage: Stage) -> None:
    page, where = laptop(browser, stage), "document.getElementById('pages').scrollTop"
    turn(page, "presets")
    assert page.evaluate(where) == 0
    page.evaluate(f"{where} = 90")
    for tab, place in (("grade", 0), ("presets", 90)):
        turn(page, tab)
        assert page.evaluate(where) == place, tab


def test_on_a_phone_every_page_begins_high(browser: Browser, stage: Stage) -> None:
    page = phone(browser, stage)
    for tab in TABS:
        turn(page, tab)
        top = page.evaluate(f"document.getElementById('page-{tab}').getBoundingClientRect().top")
        assert top < 844 * 0.34, tab
        page.evaluate("scrollTo(0, 400)")
        for part in ("preview", "transport", "now"):  # stay in sight
            box = page.evaluate(
                f"document.getElementById('{part}').getBoundingClientRect().toJSON()"
            )
            assert box["top"] >= 0 and box["bottom"] < 844 * 0.2, (tab, part)


def test_motifs_show_that_they_are_being_drawn(browser: Browser, stage: Stage) -> None:
    pictures = stage.panel.pictures
    pictures.close()  # the test draws
    page = laptop(browser, stage)
    turn(page, "motifs")
    tile = "document.querySelector('.motif[data-target={}] .blank')"
    strokes, weave = tile.format("strokes"), tile.format("weave")
    page.wait(f"{strokes} !== null")
    assert page.evaluate(f"{strokes}.classList.contains('drawing')")
    until(lambda: stage.picture is not None)
    assert stage.picture is not None
    folder = pictures.place("dreamnet")
    folder.mkdir(parents=True)
    (folder / "strokes.jpg").write_bytes(jpeg(stage.picture, 160))
    stage.panel.broadcaster.drawn("dreamnet/strokes", True)
    stage.panel.broadcaster.drawn("dreamnet/weave", False)
    page.wait(f"!{strokes}.classList.contains('drawing')")
    page.wait(f"{strokes}.querySelector('img').naturalWidth === 160")
    page.wait(f"{weave}.classList.contains('none')")
    assert page.faults == []  # no 404 in the console


def test_pages_of_channels(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    turn(page, "motifs")
    page.click('.motif[data-target="eyes"] .open')
    row = "document.querySelector('#page-motifs > div:last-child .row').innerText.split('\\n')"
    assert page.wait(row) == ["Previous", "1 of 43", "Next", "Close"]
    page.evaluate(
        "[...document.querySelectorAll('.chip')].find((n) => n.innerText === 'Next').click()"
    )
    assert page.evaluate(row)[1] == "2 of 43"


def test_durations_and_pages_are_counted_in_plain_words(browser: Browser, stage: Stage) -> None:
    folder = stage.folder / "programs"
    folder.mkdir()
    (folder / "duo.toml").write_text(
        'title = "Duo"\n[[steps]]\npreset = "ink"\nhold_s = 6\n'
        '[[steps]]\npreset = "neon"\nhold_s = 6\n'
    )
    page = laptop(browser, stage)
    chips = "[...document.querySelectorAll('#page-presets .row .chip')].map((n) => n.innerText)"
    assert "Duo, 12 s" in page.evaluate(chips)
    turn(page, "system")
    page.wait("document.querySelector('#page-system table').innerText.includes('1 page open')")


def test_a_refusal_stands_where_it_was_entered(browser: Browser, stage: Stage) -> None:
    stage.parameters.set("objective", "eyes")
    page = laptop(browser, stage)
    turn(page, "motifs")
    field = "document.querySelector('#page-motifs .field')"
    page.wait(f"{field}.value === 'eyes'")
    page.evaluate(f"{field}.select(), {field}.focus()")
    why = "document.querySelector('#page-motifs .refused')"
    for wrong, reason in (("eyes + + weave", "character"), ("class:unicorn", "unicorn")):
        page.evaluate(f"{field}.select(), {field}.focus()")
        page.enter(wrong)
        page.wait(f"!{why}.hidden && {why}.textContent.includes('{reason}')")
        assert page.evaluate(f"{field}.value") == "eyes"
    assert page.evaluate("document.getElementById('fault').hidden")
    turn(page, "presets")
    page.click(f"{STRENGTH} .number")
    page.enter("500")
    why = "document.querySelector('#masters .refused')"
    page.wait(f"!{why}.hidden && {why}.textContent.includes('500')")
    turn(page, "dream")
    size = "document.querySelector('[data-name=size] input')"
    page.evaluate(f"{size}.focus(), {size}.select()")
    page.enter("enormous")
    page.wait(
        "[...document.querySelectorAll('#page-dream .refused')]"
        ".some((node) => node.innerText.includes('size'))"
    )
    assert page.evaluate(f"{size}.value") == stage.parameters.target("size")


def press(page: Page, words: str) -> None:
    """Click the button that says so, or is called so where it shows a sign only."""
    page.evaluate(
        "[...document.querySelectorAll('button')].filter((node) => node.checkVisibility())"
        f".find((node) => [node.innerText.split('\\n')[0], node.title].includes('{words}')).click()"
    )


def test_clear_dream_clears_the_dream_and_leaves_every_parameter(
    browser: Browser, stage: Stage
) -> None:
    stage.show.preset("ink", 0.0)
    stage.parameters.set("strength", 33.0)
    before = stage.parameters.targets()
    page = laptop(browser, stage)
    assert stage.triggers == []
    press(page, "Clear dream")
    until(lambda: stage.triggers)
    assert stage.triggers == ["reset"]
    assert stage.parameters.targets() == before
    assert stage.show.preset_name == "ink"
    assert page.faults == []


def test_reset_all_brings_every_parameter_back_and_leaves_the_dream(
    browser: Browser, stage: Stage
) -> None:
    before = stage.parameters.targets()
    stage.show.preset("menagerie", 0.0)
    stage.show.modulate([Modulator(parameter="zoom")], seconds=0)
    for name, value in {"strength": 33.0, "hue": 90.0, "size": "270p", "mirror": True}.items():
        stage.parameters.set(name, value)
    page = laptop(browser, stage)
    press(page, "Freeze")  # of the moment, no parameter of the picture
    until(lambda: stage.parameters.target("freeze"))
    set_up = stage.parameters.targets()
    page.evaluate("window.asked = 0; window.confirm = () => { asked += 1; return asked > 1; }")
    press(page, "Reset all")  # answered with no
    press(page, "Tap")  # which comes after it
    until(lambda: "tap" in stage.triggers)
    assert stage.parameters.targets() == set_up and stage.show.preset_name == "menagerie"
    stage.triggers.clear()
    press(page, "Reset all")
    assert page.evaluate("asked") == 2
    until(lambda: stage.parameters.targets() == {**before, "freeze": True})
    assert stage.show.preset_name == ""
    assert stage.show.modulation.modulators == ()
    assert stage.triggers == []
    page.wait(f"document.querySelector('{STRENGTH} .number').textContent.startsWith('14')")
    page.wait("document.getElementById('preset').textContent === 'no preset'")
    assert page.faults == []


def test_remove_takes_a_modulator_or_a_layer_away(browser: Browser, stage: Stage) -> None:
    stage.parameters.set("objective", "eyes + 0.5*weave")
    stage.show.modulate([Modulator(parameter="hue"), Modulator(parameter="zoom")], seconds=0)
    page = laptop(browser, stage)
    turn(page, "modulate")
    page.wait("document.querySelectorAll('.mod').length === 2")
    press(page, "remove")
    until(lambda: [one.parameter for one in stage.show.modulation.modulators] == ["zoom"])
    page.wait("document.querySelectorAll('.mod').length === 1")
    press(page, "remove")
    until(lambda: stage.show.modulation.modulators == ())
    page.wait("document.querySelector('.mods').innerText.startsWith('No modulators')")
    turn(page, "motifs")
    press(page, "remove")
    until(lambda: stage.parameters.target("objective") == "0.5*weave")
    page.wait("document.querySelectorAll('#page-motifs [title=remove]').length === 1")
    assert page.evaluate("document.querySelector('#page-motifs [title=remove]').disabled")
    assert page.faults == []


def test_source_outputs_and_controllers_are_listed_with_their_state(
    browser: Browser, stage: Stage
) -> None:
    stage.output_state = "lost"
    stage.beside = (Health("mask film.mp4", "lost"),)
    page = laptop(browser, stage)
    turn(page, "system")
    section = (
        "[...document.querySelectorAll('#page-system section')]"
        ".find((node) => node.querySelector('h2').textContent === 'Source, outputs, controllers')"
    )
    rows = (
        f"[...{section}.querySelectorAll('tr')]"
        ".map((row) => [row.cells[0].innerText, row.cells[1].innerText])"
    )
    page.wait(f"{rows}.length")
    assert page.evaluate(rows) == [
        ["clouds", "ok"], ["mask film.mp4", "lost"], ["window", "lost"], ["panel", "ok"]
    ]  # fmt: skip
    stage.output_state = "ok"
    page.wait(f"{rows}[2][1] === 'ok'")


def test_only_another_state_of_the_source_is_read_out_and_no_figure(
    browser: Browser, stage: Stage
) -> None:
    page = laptop(browser, stage)
    page.wait("document.getElementById('link').textContent.includes('ms old')")
    page.evaluate(
        "window.told = 0; window.figures = 0; new MutationObserver((all) => {"
        " for (const one of all) one.target.closest('[aria-live=off]') ? figures++ : told++; })"
        ".observe(document.querySelector('[role=status]'), { childList: true, subtree: true })"
    )
    page.wait("figures + told > 3")
    assert page.evaluate("told") == 0
    stage.source_state = "lost"
    page.wait("document.getElementById('link').textContent.startsWith('clouds lost, dream')")
    assert page.evaluate("told")


def test_presets_that_are_broken_are_named(browser: Browser, stage: Stage) -> None:
    (stage.folder / "presets").mkdir(exist_ok=True)
    (stage.folder / "presets" / "mine.toml").write_text("[dream]\nstrength = 900\n")
    stage.show.presets.read()
    page = laptop(browser, stage)
    page.wait("document.getElementById('page-presets').innerText.includes('preset mine')")
    assert "900" in page.evaluate("document.getElementById('page-presets').innerText")


def test_an_empty_field_says_what_that_means(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    turn(page, "dream")
    for name, meaning in (("where", "everywhere"), ("prompt", "the objective")):
        field = f"document.querySelector('#page-dream [data-name={name}] input')"
        assert page.evaluate(f"{field}.placeholder") == meaning


def test_advanced_parameters_are_folded(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    turn(page, "dream")
    advanced = [n for n, p in stage.parameters.declared.items() if p.advanced]
    for name in stage.parameters.declared:
        node = f"document.querySelector('#page-dream [data-name=\"{name}\"]')"
        if page.evaluate(f"{node} !== null"):
            assert page.evaluate(f"{node}.checkVisibility()") == (name not in advanced), name
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    for name in advanced:
        node = f"document.querySelector('#pages [data-name=\"{name}\"]')"
        assert page.evaluate(f"{node} !== null"), name


# The overlay's opacity at a place, in parts of its sides.
OPACITY = (
    "((x, y) => {{ const c = document.getElementById('overlay'); return c.getContext('2d')"
    ".getImageData(x * c.width, y * c.height, 1, 1).data[3]; }})({}, {})"
)


def test_the_region_is_laid_over_the_picture_while_asked_for(
    browser: Browser, stage: Stage
) -> None:
    stage.region = np.zeros((90, 160), np.float32)
    stage.region[:, 80:] = 1.0
    for page in (laptop(browser, stage), phone(browser, stage)):
        turn(page, "dream")
        press(page, "Show region")
        page.wait(f"{OPACITY.format(0.8, 0.5)} > 0")
        assert page.evaluate(OPACITY.format(0.2, 0.5)) == 0
        below, above = (
            page.evaluate(f"document.getElementById('{one}').getBoundingClientRect().toJSON()")
            for one in ("preview", "overlay")
        )  # both fit their picture in, as wide as it is, in the middle
        assert (above["x"], above["width"]) == (below["x"], below["width"])
        assert above["y"] + above["bottom"] == pytest.approx(below["y"] + below["bottom"], abs=1)
        press(page, "Show region")
        assert page.evaluate("document.getElementById('overlay').checkVisibility()") is False
        assert page.faults == []


def paint(page: Page, *places: tuple[float, float], touch: bool = False) -> None:
    """A stroke on the picture. places: in parts of its sides."""
    box = page.box("#overlay")
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in places]
    page.stroke(points, touch=touch)


def painted(stage: Stage, x: float, y: float) -> bool:
    plane = stage.parameters.painting.painted.plane
    return bool(plane[int(y * plane.shape[0]), int(x * plane.shape[1])] > 0.5)


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_painting_with_mouse_and_finger(browser: Browser, stage: Stage, touch: bool) -> None:
    page = phone(browser, stage) if touch else laptop(browser, stage)
    turn(page, "dream")
    page.call("Page.bringToFront")
    press(page, "Paint")
    paint(page, (0.3, 0.5), (0.5, 0.5), (0.7, 0.5), touch=touch)
    until(lambda: painted(stage, 0.7, 0.5))
    assert painted(stage, 0.4, 0.5) and not painted(stage, 0.5, 0.2)
    assert stage.parameters.target("where") == "painted"  # nothing else was asked for
    press(page, "Erase")
    paint(page, (0.5, 0.3), (0.5, 0.7), touch=touch)
    until(lambda: not painted(stage, 0.5, 0.5))
    assert painted(stage, 0.31, 0.5) and painted(stage, 0.69, 0.5)
    press(page, "Undo")
    until(lambda: painted(stage, 0.5, 0.5))
    press(page, "Keep")
    page.wait("document.querySelector('.masks .after button')?.innerText === 'painted'")
    assert (stage.folder / "masks" / "painted.png").is_file()
    press(page, "Clear")
    until(lambda: not stage.parameters.painting.painted.plane.any())
    if touch:  # the picture is as wide as the phone
        assert page.box("#preview")["width"] > 0.9 * 390
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    press(page, "Done")
    paint(page, (0.3, 0.5), (0.7, 0.5), touch=touch)
    page.evaluate("new Promise((done) => setTimeout(done, 200))")  # what was sent would come now
    assert not stage.parameters.painting.painted.plane.any()
    assert page.faults == []


def test_a_kept_mask_is_replaced_when_that_was_agreed_to_and_told(
    browser: Browser, stage: Stage
) -> None:
    page = laptop(browser, stage)
    turn(page, "dream")
    page.call("Page.bringToFront")
    page.evaluate(
        "window.asked = ''; window.agreed = false;"
        " window.confirm = (text) => { asked = text; return agreed; }"
    )
    page.evaluate("document.querySelector('.masks input').value = 'stage-left'")
    said = "document.querySelector('.masks [role=status]').textContent"
    file = stage.folder / "masks" / "stage-left.png"
    press(page, "Keep")
    page.wait(f"{said} === '“stage-left” is kept.'")
    assert page.evaluate("asked") == ""
    before = file.read_bytes()
    press(page, "Paint")
    paint(page, (0.3, 0.5), (0.7, 0.5))
    until(lambda: painted(stage, 0.7, 0.5))
    press(page, "Keep")
    assert page.evaluate("asked") == "Replace the mask “stage-left”?"
    assert page.evaluate(said) == ""
    assert file.read_bytes() == before
    page.evaluate("agreed = true")
    press(page, "Keep")
    page.wait(f"{said} === '“stage-left” is kept.'")
    assert file.read_bytes() != before
    assert page.faults == []


def test_painting_leaves_a_region_of_one_s_own_until_it_is_asked_for(
    browser: Browser, stage: Stage
) -> None:
    stage.parameters.set("where", "moving")
    page = laptop(browser, stage)
    turn(page, "dream")
    press(page, "Paint")
    paint(page, (0.3, 0.5), (0.7, 0.5))
    until(lambda: painted(stage, 0.5, 0.5))
    assert stage.parameters.target("where") == "moving"
    press(page, "Dream only here")
    until(lambda: stage.parameters.target("where") == "painted")
    gone = "[...document.querySelectorAll('#tools button')].at(-2).checkVisibility() === false"
    page.wait(gone)
    field = "document.querySelector('#page-dream [data-name=where] input')"
    file = stage.folder / "painted.png"
    file.write_bytes(stage.parameters.painting.png())
    for where, named in (
        ("painted & !dark", True),
        (f"mask({file})", False),
        (f'mask("{file}") & (painted | moving)', True),
        (f'moving | mask("{file}")', False),
    ):
        stage.parameters.set("where", where)
        page.wait(f"{field}.value === {json.dumps(where)}")
        assert page.evaluate(gone) == named, where
    assert page.faults == []


def test_the_beat_in_the_bar_is_shown_and_the_tempo_and_who_leads_it(
    browser: Browser, stage: Stage
) -> None:
    page = laptop(browser, stage)
    turn(page, "modulate")
    lit = "[...document.querySelectorAll('.beats i')].findIndex((one) => one.matches('.on'))"
    led = "document.querySelector('.beats + .help').textContent"
    for beat in (2, 1):  # each lasts three seconds
        later_s = time.monotonic() + 30
        assert stage.show.tempo.follow("Link", beat + 10, 20.0, later_s)
        page.wait(f"{lit} === {beat}")
    page.wait(f"{led} === 'Link leads the tempo.'")
    page.wait("document.querySelector('[data-name=tempo]').ariaValueText.startsWith('20.0')")
    page.wait("document.querySelector('.key[data-act=tap]').textContent.includes('20.0 bpm')")


def test_two_weights_moved_at_once_both_stay(browser: Browser, stage: Stage) -> None:
    stage.parameters.set("objective", "eyes + 0.5*weave")
    page = laptop(browser, stage)
    turn(page, "motifs")
    moved = (
        "document.querySelector('[data-name=\"term {}\"]')"
        ".dispatchEvent(new KeyboardEvent('keydown', {{ key: '{}' }}))"
    )
    page.evaluate(f"{moved.format('eyes', 'End')}; {moved.format('weave', 'Home')}")
    until(lambda: stage.parameters.target("objective") == "2*eyes - 2*weave")
    assert page.faults == []


def test_what_comes_while_a_text_is_typed_is_shown_after_it(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    page.call("Page.bringToFront")  # else nothing gets the focus, and loses it
    places = (
        ("motifs", "objective", "eyes", "document.querySelector('#page-motifs .field')"),
        ("dream", "where", "moving", "document.querySelector('[data-name=where] input')"),
    )
    for strength, (tab, name, value, field) in enumerate(places, 31):
        turn(page, tab)
        page.evaluate(f"{field}.focus()")
        stage.parameters.set(name, value)
        stage.parameters.set("strength", strength)
        page.wait(f"document.querySelector('{STRENGTH}').ariaValueText.startsWith('{strength}')")
        assert page.evaluate(f"{field}.value") == ""
        page.evaluate(f"{field}.blur()")
        assert page.evaluate(f"{field}.value") == value
    assert page.faults == []


def test_a_presets_modulators_are_not_undone_by_those_shown_before(
    browser: Browser, stage: Stage
) -> None:
    stage.show.modulate([Modulator(parameter="hue")], seconds=0)
    page = laptop(browser, stage)
    page.call("Page.bringToFront")
    turn(page, "modulate")
    period = "document.querySelector('.mod [aria-label=\"Period, s\"]')"
    shown = "document.querySelector('.mod [aria-label=Parameter]')?.value"
    page.wait(f"{shown} === 'hue'")
    page.evaluate(f"{period}.focus(), {period}.select()")
    page.call("Input.insertText", text="5")
    (stage.folder / "masks").mkdir()
    (stage.folder / "masks" / "new.png").touch()
    stage.show.modulate([Modulator(parameter="zoom")], seconds=0)
    page.wait("document.querySelector('.masks .after button') !== null")  # told with it
    assert page.evaluate(shown) == "hue"
    page.key("Enter", "\r", 13)
    page.wait(f"{shown} === 'zoom'")
    page.evaluate("document.querySelector('[data-name=\"depth 0\"]').focus()")
    page.key("End", code=35)
    until(lambda: stage.show.modulation.modulators == (Modulator(parameter="zoom", depth=1.0),))

    def another() -> None:
        at = page.evaluate("Number(document.querySelector('[data-name=\"depth 0\"]').ariaValueNow)")
        until(lambda: abs((stage.show.modulation.modulators[0].depth + 1) / 2 - at) < 0.001)
        stage.show.modulate([Modulator(parameter="saturation")], seconds=0)
        page.wait(f"{shown} === 'saturation'")

    page.drag('[data-name="depth 0"]', 0.6, 0.2, held=another)
    page.drag('[data-name="offset 0"]', 0.5, 0.7)
    until(lambda: stage.show.modulation.modulators[0].offset > 0.1)
    assert [(m.parameter, m.depth) for m in stage.show.modulation.modulators] == [
        ("saturation", Modulator(parameter="saturation").depth)
    ]
    assert page.faults == []


@pytest.mark.skipif("LIVEDREAM_SCREENSHOTS" not in os.environ, reason="wants LIVEDREAM_SCREENSHOTS")
def test_pictures_of_every_page(browser: Browser, stage: Stage) -> None:
    folder = Path(os.environ["LIVEDREAM_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in (("laptop", laptop(browser, stage)), ("phone", phone(browser, stage))):
        for tab in TABS:
            turn(page, tab)
            time.sleep(1.5)
            page.screenshot(folder / f"{name}-{tab}.png")
