"""The studio in a real Chromium: a source is chosen, a dream is seen, another is begun and stopped.

With LIVEDREAM_SCREENSHOTS set to a folder, pictures are left there.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from chromium import Browser, Page
from panel_made import open_stage
from ports import free_tcp_port
from waiting import PATIENCE_S, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from livedream.cli.form import LiveForm
from livedream.core.addresses import Endpoint
from livedream.panel.offers import Devices
from livedream.panel.studio import Studio

DEVICES = {
    "cameras": {"0  Logitech StreamCam": "/dev/video0"},
    "displays": {"0  display": "1920x1080", "1  display": "1280x800"},
}
SMALL = "size=64x48&fps=10"
SOURCE = "[data-section=source] input"
SAID = "document.querySelector('.bar p').textContent"
IDLE = "document.body.classList.contains('idle')"
RESCAN = (
    "[...document.querySelectorAll('button')].find((one) => one.textContent === 'Rescan devices')"
)
READY = "!document.querySelector('.go').disabled && !document.querySelector('.go').hidden"


def made_studio() -> Studio:
    return Studio(Endpoint("127.0.0.1", 0), LiveForm(), devices=lambda: DEVICES)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    with closing(made_studio()) as made:
        made.start()
        yield made


def opened(browser: Browser, studio: Studio, **size: Any) -> Page:
    page = browser.page(studio.url, **(size or {"width": 1440, "height": 900}))
    page.wait(f"document.querySelector({json.dumps(SOURCE)}) && {READY}")
    page.wait("document.querySelector('[data-source=\"camera:Logitech StreamCam\"]') !== null")
    return page


def fill(page: Page, selector: str, text: str) -> None:
    page.evaluate(
        f"(() => {{ const field = document.querySelector({json.dumps(selector)});"
        f" field.value = {json.dumps(text)}; field.dispatchEvent(new Event('change')); }})()"
    )


def choose(page: Page, selector: str, value: str) -> None:
    fill(page, selector, json.dumps(value))


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("LIVEDREAM_SCREENSHOTS"):
        page.screenshot(Path(folder) / f"studio-{name}.png")


@pytest.mark.slow
def test_from_a_source_to_a_dream_and_to_another(
    browser: Browser, studio: Studio, tmp_path: Path
) -> None:
    page = opened(browser, studio)
    picture(page, "laptop")
    page.click('[data-sink="window"] .switch')
    fill(page, '[data-field="record"] input', str(tmp_path / "films"))
    page.click(".go")
    page.wait(f"{SAID} === 'Choose at least one output.'")
    fill(page, '[data-sink="other"] input', "rtmp://127.0.0.1:9/live/key")
    for name, quickest in (("device", "cpu"), ("engine", "torch")):
        choose(page, f'[data-field="{name}"] select', quickest)
    fill(page, SOURCE, "/nowhere/film.mp4")
    page.click(".go")
    page.wait("document.querySelector('[data-section=source] .refused:not([hidden])') !== null")
    assert "/nowhere/film.mp4 does not exist" in page.evaluate(SAID)
    picture(page, "refused")
    assert studio.show.state.number == 0
    fill(page, SOURCE, f"synthetic:clouds?{SMALL}")
    page.click(".go")
    page.wait(f"!{IDLE} && document.getElementById('link').textContent.includes('clouds')")
    page.wait("document.getElementById('preview').width === 64")  # of the dream
    page.wait(f"{SAID}.startsWith('rtmp')")  # nobody answers there
    picture(page, "running")
    assert (tmp_path / "studio.json").is_file()
    fill(page, SOURCE, f"synthetic:noise?{SMALL}")
    page.wait("document.querySelector('.go').textContent === 'Restart with this'")
    page.click(".go")
    page.wait(f"{IDLE} && {SAID}.startsWith('Starting')")
    assert studio.show.state.number == 2
    page.click(".bar .key:not(.go)")
    page.wait(f"{IDLE} && {READY}")
    assert list((tmp_path / "films").iterdir())
    faults = [one for one in page.faults if "1013" not in one and "503" not in one]
    assert faults == []


def test_the_last_set_up_is_offered_and_a_thumb_finds_everything(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    last = {"source": "synthetic:noise", "sinks": ["browser"], "osc": "127.0.0.1:9001", "fps": "12",
            "on": "bar:12"}  # fmt: skip
    (tmp_path / "studio.json").write_text(json.dumps(last), encoding="utf-8")
    look = {"beginning": [], "preset": "ink", "program": None, "bpm": None, "modulators": []}
    (tmp_path / "studio-look.json").write_text(json.dumps({**look, "values": {}}))
    with closing(made_studio()) as studio:
        studio.start()
        page = opened(browser, studio, width=390, height=844, scale=2, phone=True)
        assert page.evaluate(
            "document.querySelector('[data-source=\"synthetic:noise\"]').ariaPressed === 'true'"
            " && document.querySelector('[data-sink=browser] .switch').ariaChecked === 'true'"
            " && document.querySelector('[data-field=osc] input').value === '127.0.0.1:9001'"
            " && document.querySelector('[data-field=fps] input').value === '12'"
        )
        left = page.evaluate("document.querySelector('[data-field=preset] + .tip').textContent")
        assert "as the last one was left, with Ink" in left
        shown = (
            "document.querySelector('[data-field=preset] select').selectedOptions[0].textContent"
        )
        assert page.evaluate(shown) == "as it was left: Ink"
        page.evaluate("document.querySelector('details').open = true")
        named = page.evaluate(
            "[...document.querySelectorAll('[data-field=on] option')].map((one) => one.textContent)"
        )
        assert named[:3] == ["after their own times", "every beat", "every bar"]
        assert named[-2:] == ["every 12 bars", "other…"]
        named = page.evaluate(
            "[...document.querySelectorAll('[data-field]')].map((one) => one.dataset.field)"
        )
        with_a_window = {"display", "fullscreen", "overlap"}  # the last with several screens
        elsewhere = {"source", "sinks"} | with_a_window
        assert {field.name for field in LiveForm().fields} - elsewhere == set(named)
        small = page.evaluate(
            "[...document.querySelectorAll('button, select, input')].filter((node) => {"
            " const box = node.getBoundingClientRect();"
            " return box.width && box.height < 32; }).map((node) => node.outerHTML)"
        )
        assert small == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
        assert page.faults == []


def test_the_focus_stays_where_something_is_switched_or_chosen(
    browser: Browser, studio: Studio
) -> None:
    page = opened(browser, studio)
    page.call("Page.bringToFront")  # else nothing has the focus
    chip, switch = '[data-source="synthetic:noise"]', "[data-sink=window] .switch"
    places = ((chip, "ariaPressed === 'true'"), (switch, "ariaChecked === 'false'"))
    for selector, done in places:
        there = f"document.querySelector({json.dumps(selector)})"
        page.evaluate(f"window.before = {there}, before.focus()")
        page.key("Enter", "\r", 13)
        page.wait(f"{there} !== before && {there}.{done}")
        assert page.evaluate(f"document.activeElement === {there}")
    fields = "[...document.querySelectorAll('[data-sink=other] input')]"
    page.evaluate(f"{fields}[0].focus()")
    page.call("Input.insertText", text="rtmp://127.0.0.1:9/live")
    page.key("Tab", code=9)  # to what stands below the field that is to come
    page.wait(f"{fields}.length === 2")
    assert page.evaluate(
        "document.activeElement === document.querySelector('[data-field=record] input')"
    )
    assert page.faults == []


def test_a_click_that_ends_the_typing_counts(
    browser: Browser, studio: Studio, tmp_path: Path
) -> None:
    (tmp_path / "shows" / "friday").mkdir(parents=True)
    page = opened(browser, studio)
    page.call("Page.bringToFront")
    typed = str(tmp_path / "shows")
    page.click(SOURCE)
    page.call("Input.insertText", text=typed)
    page.click("[data-section=source] .choice input + button")
    page.wait(
        "document.querySelector('[data-section=source] .folder:not([hidden]) .line') !== null"
    )
    assert page.evaluate("document.querySelector('.folder:not([hidden]) .tip').innerText") == typed
    page.click(SOURCE)
    page.call("Input.insertText", text="/friday")
    page.click("[data-sink=window] .switch")
    page.wait("document.querySelector('[data-sink=window] .switch').ariaChecked === 'false'")
    assert page.evaluate(f"document.querySelector({json.dumps(SOURCE)}).value.includes('/friday')")
    assert page.faults == []


def test_a_folder_that_is_open_stays_when_devices_are_found(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    (tmp_path / "shows" / "friday").mkdir(parents=True)
    go_on = threading.Event()

    def devices() -> Devices:
        assert go_on.wait(60)
        return DEVICES

    with closing(Studio(Endpoint("127.0.0.1", 0), LiveForm(), devices=devices)) as studio:
        studio.start()
        page = browser.page(studio.url, width=1440, height=900)
        page.wait(f"document.querySelector({json.dumps(SOURCE)}) && {READY}")
        fill(page, SOURCE, str(tmp_path / "shows"))
        page.click("[data-section=source] .choice input + button")
        line = "document.querySelector('.folder:not([hidden]) .line:nth-child(3)')?.innerText"
        page.wait(f"{line} === 'friday/'")
        go_on.set()
        page.wait("document.querySelector('[data-source=\"camera:Logitech StreamCam\"]') !== null")
        assert page.evaluate(line) == "friday/"
        assert page.faults == []


def test_how_far_screens_overlap_is_asked_where_there_are_several(
    browser: Browser, studio: Studio
) -> None:
    page = opened(browser, studio)
    overlap = "document.querySelector('[data-field=overlap]') !== null"
    assert not page.evaluate(overlap)
    choose(page, "[data-field=display] select", "0,1")
    page.wait(overlap)
    choose(page, "[data-field=display] select", "1")
    page.wait(f"!({overlap})")
    assert page.faults == []


def test_film_and_recording_folder_are_found_by_browsing(
    browser: Browser, studio: Studio, tmp_path: Path
) -> None:
    (tmp_path / "shows" / "friday").mkdir(parents=True)
    (tmp_path / "shows" / "film.mp4").touch()
    page = opened(browser, studio)
    record, lists = "[data-field=record] input", ".folder:not([hidden]) .line"

    def line(text: str) -> None:
        found = f"[...document.querySelectorAll('{lists}')].find((one) => one.innerText === "
        page.wait(f"Boolean({found}{json.dumps(text)}))")
        page.evaluate(f"{found}{json.dumps(text)}).click()")

    fill(page, record, str(tmp_path / "shows"))
    page.click("[data-field=record] button")
    page.wait(f"document.querySelectorAll('{lists}').length")
    assert "film.mp4" not in page.evaluate(
        f"document.querySelector('{lists}').parentNode.innerText"
    )
    line("friday/")
    page.wait("document.querySelector('.folder:not([hidden]) .tip').innerText.endsWith('friday')")
    picture(page, "browse")
    line("Record into this folder")
    page.wait(f"document.querySelector('{record}').value.endsWith('friday')")
    assert page.evaluate(f"document.querySelector('{record}').value") == str(
        tmp_path / "shows" / "friday"
    )
    fill(page, SOURCE, str(tmp_path / "shows"))
    page.click("[data-section=source] .choice input + button")
    line("film.mp4")
    page.wait(f"document.querySelector({json.dumps(SOURCE)}).value.endsWith('film.mp4')")
    assert page.faults == []


@pytest.mark.parametrize(
    ("field", "begins"),
    [(SOURCE, "focus"), ("[data-field=preset] select", "pointerdown")],
    ids=["typed", "chose"],
)
def test_what_came_while_somebody_typed_or_chose_is_shown_afterwards(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, begins: str
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    found = {**DEVICES, "cameras": dict(DEVICES["cameras"])}
    form = LiveForm()
    with closing(Studio(Endpoint("127.0.0.1", 0), form, devices=lambda: found)) as studio:
        studio.start()
        page = opened(browser, studio)
        page.call("Page.bringToFront")  # else no field has the focus
        page.evaluate(f"document.querySelector({json.dumps(field)}).focus()")
        page.evaluate(f"document.activeElement.dispatchEvent(new Event('{begins}'))")
        found["cameras"]["1  Plugged in later"] = "/dev/video1"
        page.wait(f"Boolean({RESCAN})")  # not while they are being looked for
        page.evaluate(f"{RESCAN}.click()")
        later = "document.querySelector('[data-source=\"camera:Plugged in later\"]') !== null"
        with connect(f"ws://127.0.0.1:{studio.port}/studio") as link:
            while "Plugged in later" not in str(link.recv(timeout=PATIENCE_S)):
                pass
        page.evaluate("new Promise((done) => setTimeout(done, 1200))")
        assert not page.evaluate(later)
        page.evaluate("document.activeElement.blur()")
        page.wait(later)
        assert page.faults == []


def test_a_refusal_that_was_answered_stays_away(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    found = {**DEVICES, "cameras": dict(DEVICES["cameras"])}
    refuses = "print('livedream: source: is not there', file=sys.stderr); sys.exit(2)"
    show = (sys.executable, "-c", f"import sys; {refuses}")
    form = LiveForm()
    with closing(
        Studio(Endpoint("127.0.0.1", 0), form, command=show, devices=lambda: found)
    ) as studio:
        studio.start()
        page = opened(browser, studio)
        said = "document.querySelector('[data-section=source] .refused:not([hidden])')?.textContent"
        fill(page, SOURCE, "synthetic:noise")
        page.click(".go")
        page.wait(f"{said} === 'source: is not there'")
        fill(page, SOURCE, "synthetic:clouds")
        page.wait(f"{said} === undefined")
        found["cameras"]["1  Plugged in later"] = "/dev/video1"
        page.evaluate(f"{RESCAN}.click()")
        page.wait("document.querySelector('[data-source=\"camera:Plugged in later\"]') !== null")
        assert page.evaluate(f"{said} === undefined")
        page.click(".go")  # the same once more is said once more
        page.wait(f"{said} === 'source: is not there'")
        assert page.faults == []


def test_without_a_connection_nothing_can_be_quit(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    with closing(made_studio()) as studio:
        studio.start()
        page = opened(browser, studio)
    page.wait(f"{SAID}.startsWith('No connection')")
    quits = (
        "[...document.querySelectorAll('button')].find((one) => one.innerText.startsWith('Quit'))"
    )
    assert page.evaluate(f"{quits}.disabled")


def test_who_asks_for_devices_while_they_are_looked_for_gets_what_came_meanwhile(
    tmp_path: Path,
) -> None:
    found = {"cameras": {"0  Always there": "/dev/video0"}}
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def devices() -> Devices:
        there = {**found["cameras"]}
        begun.release()
        assert go_on.acquire(timeout=PATIENCE_S)
        return {"cameras": there}

    studio = Studio(Endpoint("127.0.0.1", 0), LiveForm(), folder=tmp_path, devices=devices)
    with closing(studio):
        studio.start()
        assert begun.acquire(timeout=PATIENCE_S)
        found["cameras"]["1  Plugged in later"] = "/dev/video1"
        with connect(f"ws://127.0.0.1:{studio.port}/studio") as link:
            link.send('{"look": true}')
            link.send("[1]")  # whose answer says that the one before was heard
            while "fault" not in json.loads(link.recv(timeout=PATIENCE_S)):
                pass
            go_on.release(2)
            while "Plugged in later" not in str(link.recv(timeout=PATIENCE_S)):
                pass


def test_a_running_show_s_page_comes_back_and_can_be_restarted_otherwise(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    with open_stage(tmp_path) as stage:  # whose panel stands in for that of a show
        said = f"print('panel: http://{stage.address}/', file=sys.stderr, flush=True)"
        show = (sys.executable, "-c", f"import sys, time; {said}; time.sleep(600)")
        studio = Studio(Endpoint("127.0.0.1", 0), LiveForm(), command=show, devices=lambda: DEVICES)
        with closing(studio):
            studio.start()
            page = opened(browser, studio)
            page.call("Page.bringToFront")  # else nothing is drawn on it
            page.evaluate(
                "window.sockets = []; window.WebSocket = class extends WebSocket {"
                " constructor(url) { super(url); sockets.push(this); } };"
                "window.frames = new Set(); window.ask = requestAnimationFrame;"
                "window.requestAnimationFrame = (next) => { frames.add(next); return ask(next); }"
            )
            page.click(".go")
            page.wait(f"!{IDLE} && {SAID}.startsWith('Running')")
            page.wait(f"{SAID}.startsWith('Running for')")
            page.evaluate(
                f"window.first = {SAID}; window.told = 0; new MutationObserver(() => {{ told++; }})"
                ".observe(document.querySelector('.bar p'), { childList: true })"
            )
            page.wait(f"{SAID} !== first")
            assert page.evaluate("told") == 0  # the seconds are not read out
            midi = '[data-field="midi"] .switch'
            for changed in (True, False, True):
                page.click(midi)
                page.wait(f"document.querySelector('.go').hidden === {str(not changed).lower()}")
                warned = page.evaluate(f"{SAID}.includes('Restarting stops the dream')")
                assert warned == changed
            top = f"document.querySelector('{midi}').getBoundingClientRect().top"
            page.evaluate(f"document.querySelector('{midi}').scrollIntoView({{ block: 'start' }})")
            assert page.evaluate("document.getElementById('pages').scrollTop") > 0
            page.evaluate("sockets.at(-1).close()")
            page.wait(f"sockets.length > 1 && !{IDLE}")
            assert 0 < page.evaluate(top) < 300  # what was in sight is, though all has moved twice
            page.evaluate("frames.clear(), new Promise((done) => ask(() => ask(() => ask(done))))")
            assert page.evaluate("[...frames].filter((one) => /count/.test(one)).length") == 1
            # Private: a panel that runs is never silent.
            monkeypatch.setattr(stage.panel.broadcaster, "_tick", lambda tick: None)
            page.evaluate("window.before = sockets.length")
            page.wait("sockets.length > before")
            assert not page.evaluate("sockets.some((one) => one.url.endsWith('/studio'))")
            assert page.faults == []


@pytest.mark.slow
def test_a_page_notices_a_studio_that_is_out_of_reach(
    browser: Browser, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(browser, studio)
    page.evaluate(
        "window.again = 0; window.WebSocket = class extends WebSocket {"
        " constructor(url) { super(url); again++; } }"
    )
    page.evaluate("new Promise((done) => setTimeout(done, 6000))")  # nothing happens
    assert page.evaluate("again") == 0
    with monkeypatch.context() as out_of_reach:  # the connection stays open
        out_of_reach.setattr("livedream.panel.pages.PageSocket.add", lambda page, **parts: None)
        page.wait(f"{SAID}.startsWith('No connection')")
    page.wait(f"{SAID} === ''")
    assert page.faults == []


MAKES_NO_SENSE = (
    "{", "[]", "null", '{"start": 3}', '{"start": {"source": 3}}', '{"start": {"sinks": "x"}}',
    '{"start": {"panel": "0.0.0.0:1"}}', '{"start": {"nothing": "x"}}', '{"stop": 1}',
    '{"quit": 0}', '{"start": {"osc": ["a"]}}', '{"folder": 1}',
    '{"start": {"source": "%s"}}' % ("x" * 300), '{"start": {"audio": "%s"}}' % ("x" * 300),
    '{"start": {"source": "smoke://x", "sinks": ["rtmp://server/app/a-key"]}}',
    "[" * 30000, '"' + "x" * 40000 + '"',
)  # fmt: skip


def test_what_makes_no_sense_starts_nothing(studio: Studio, tmp_path: Path) -> None:
    with connect(f"ws://127.0.0.1:{studio.port}/studio") as link:
        for message in MAKES_NO_SENSE:
            link.send(message)
            found: dict[str, Any] = {}
            while "fault" not in found:
                found = json.loads(link.recv(timeout=PATIENCE_S))
            assert "\n" not in found["fault"]
    assert studio.show.state.number == 0 and not studio.done.is_set()
    assert not (tmp_path / "keys").exists()  # nor is anything written


def test_what_a_later_version_remembers_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    (tmp_path / "studio.json").write_text('{"fps": "12", "smell": "strong"}', encoding="utf-8")
    with closing(made_studio()) as made:
        made.start()
        with connect(f"ws://127.0.0.1:{made.port}/studio") as link:
            found: dict[str, Any] = {}
            while "filled" not in found:
                found = json.loads(link.recv(timeout=30))
    assert found["filled"] == {"fps": "12"}


def test_a_fault_of_our_own_is_said_and_the_page_goes_on(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(studio.show, "stop", Mock(side_effect=KeyError("rtmp://host/app/a-key")))
    with connect(f"ws://127.0.0.1:{studio.port}/studio") as link:
        for message in ('{"stop": true}', "[1]"):
            link.send(message)
            found: dict[str, Any] = {}
            while "fault" not in found:
                found = json.loads(link.recv(timeout=PATIENCE_S))
            if "stop" in message:
                assert found["fault"].startswith("livedream failed (")
                assert "a-key" not in found["fault"]
    assert "Traceback" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="the browser is a shell script")
def test_it_can_quit_while_its_browser_is_open_and_it_looks_for_devices(tmp_path: Path) -> None:
    """A browser that $BROWSER names may be waited for until it is closed. Devices are looked for by
    a program of its own, which goes with it."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f"#!/bin/sh\necho $1 > {opened}\nexec sleep 600\n", encoding="utf-8")
    browser.chmod(0o755)
    ear = socket.create_server(("127.0.0.1", 0))
    (tmp_path / "sitecustomize.py").write_text(  # what every Python of the studio's runs first
        "import socket, sys\n"
        "if 'devices' in sys.orig_argv:\n"
        f"    socket.create_connection({ear.getsockname()}).recv(1)\n"
    )
    port = free_tcp_port()
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    studio = subprocess.Popen(
        [sys.executable, "-m", "livedream", "studio", "--panel", f"127.0.0.1:{port}"],
        env={
            **os.environ, "LIVEDREAM_HOME": str(tmp_path), "BROWSER": f"{browser} %s",
            "PYTHONPATH": path,
        },
        start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    ear.settimeout(120)
    try:
        looks, _ = ear.accept()
        with looks:
            looks.settimeout(PATIENCE_S)
            until(
                lambda: (
                    studio.poll() is not None
                    or (opened.exists() and opened.read_text(encoding="utf-8").strip())
                ),
                seconds=120,
            )
            assert studio.poll() is None
            with connect(f"ws://127.0.0.1:{port}/studio") as link:
                link.send('{"quit": true}')
                assert studio.wait(PATIENCE_S) == 0
            assert looks.recv(1) == b""  # it has ended
    finally:
        ear.close()
        os.killpg(studio.pid, signal.SIGKILL)
        studio.wait()


def test_nobody_from_elsewhere_starts_a_show(tmp_path: Path) -> None:
    studio = Studio(
        Endpoint("0.0.0.0", 0), LiveForm(), token="secret", folder=tmp_path, devices=lambda: DEVICES
    )
    with closing(studio):
        studio.start()
        address = f"127.0.0.1:{studio.port}"
        for headers in ({}, {"Origin": "http://elsewhere"}):
            with (
                connect(f"ws://{address}/studio", additional_headers=headers) as link,
                pytest.raises(ConnectionClosed),
            ):
                link.recv(timeout=30)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://{address}/", timeout=PATIENCE_S)
        with connect(f"ws://{address}/studio?token=secret") as link:
            assert json.loads(link.recv(timeout=PATIENCE_S))["phone"] is True
