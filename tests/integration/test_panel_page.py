"""The page in a real Chromium: a slider is moved, the picture changes, another page follows.

With LIVEDREAM_SCREENSHOTS set to a folder, pictures of every page are left there.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, Page, open_chromium
from panel_made import Stage, open_stage

BRIGHTNESS = (
    "(() => { const c = document.getElementById('preview'); const d = c.getContext('2d')"
    ".getImageData(0, 0, c.width, c.height).data; let s = 0;"
    " for (let i = 0; i < d.length; i += 4) s += d[i] + d[i + 1] + d[i + 2];"
    " return s / (d.length / 4) / 3; })()"
)
READY = "document.querySelectorAll('#page-presets .card').length > 11"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_chromium(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
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
    turn(here, "look")
    turn(there, "look")
    here.wait(f"{BRIGHTNESS} > 60")
    there.wait(f"{BRIGHTNESS} > 60")
    before = here.evaluate(BRIGHTNESS)
    here.call("Page.bringToFront")
    here.drag('#page-look [data-name="brightness"]', 0.5, 0.2)
    here.wait(f"{BRIGHTNESS} < {before * 0.6}")
    assert stage.parameters.target("brightness") == pytest.approx(0.4, abs=0.06)
    there.wait(f"{BRIGHTNESS} < {before * 0.6}")
    shown = "document.querySelector('#page-look [data-name=brightness] .number').textContent"
    told = f"{stage.parameters.target('brightness'):.2f}"
    assert there.wait(f"{shown} === '{told}'")
    assert here.faults == there.faults == []


def test_buttons_presets_and_typed_numbers(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    page.click('[data-act="freeze"]')
    page.wait("document.querySelector('[data-act=freeze]').getAttribute('aria-pressed') === 'true'")
    assert stage.parameters.target("freeze")
    page.click('[data-preset="menagerie"] .pick')
    page.wait("document.querySelector('[data-preset=menagerie]').ariaPressed === 'true'")
    assert stage.show.preset_name == "menagerie"
    assert stage.parameters.target("octaves") == 4
    page.evaluate("document.querySelector('#masters [data-name=strength] .number').click()")
    page.evaluate("document.querySelector('#masters .fader input').value = '77,5'")
    page.evaluate("document.querySelector('#masters .fader input').blur()")
    page.wait(
        "document.querySelector('#masters [data-name=strength] .number').textContent"
        ".startsWith('77.5')"
    )
    assert stage.parameters.target("strength") == 77.5  # beyond the slider, within the range
    assert page.faults == []


def test_layers_and_their_weights(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    turn(page, "motifs")
    page.click('.motif[data-target="eyes"] .pick')
    page.wait("document.querySelector('.motif[data-target=eyes]').classList.contains('on')")
    page.click('.motif[data-target="weave"] .corner')
    page.wait("document.querySelectorAll('#page-motifs .fader').length === 2")
    assert stage.parameters.target("objective") == "eyes + 0.5*weave"
    page.drag('[data-name="term weave"]', 0.6, 0.9)
    end = time.monotonic() + 20
    while "0.5*weave" in stage.parameters.target("objective"):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert float(stage.parameters.target("objective").split("*")[0].split("+ ")[1]) > 1
    page.click('.motif[data-target="eyes"] .open')
    page.wait("document.querySelector('.motif[data-target=\"eyes:11\"]') !== null")
    assert page.faults == []


def test_every_parameter_has_its_place_and_a_thumb_finds_it(browser: Browser, stage: Stage) -> None:
    page = phone(browser, stage)
    for name in stage.parameters.declared:
        if name in ("network", "objective"):  # the motifs' page
            continue
        where = f'document.querySelector(\'[data-name="{name}"], [data-act="{name}"]\')'
        assert page.evaluate(f"{where} !== null"), name
    for tab in ("presets", "motifs", "dream", "look", "move", "system"):
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
        port = first.panel.access.address
    page.wait("document.getElementById('link').textContent.startsWith('no connection')")
    with open_stage(tmp_path, port) as second:
        second.parameters.set("strength", 33.0)
        page.wait(
            "document.querySelector('#masters .number')?.textContent.startsWith('33')"
            " && document.getElementById('link').textContent.startsWith('clouds')"
        )
        assert page.faults == []


def test_nothing_is_loaded_from_elsewhere(browser: Browser, stage: Stage) -> None:
    page = laptop(browser, stage)
    names = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    assert names
    assert all(name.startswith(f"http://{stage.address}/") for name in names)


@pytest.mark.skipif("LIVEDREAM_SCREENSHOTS" not in os.environ, reason="wants LIVEDREAM_SCREENSHOTS")
def test_pictures_of_every_page(browser: Browser, stage: Stage) -> None:
    folder = Path(os.environ["LIVEDREAM_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in (("laptop", laptop(browser, stage)), ("phone", phone(browser, stage))):
        for tab in ("presets", "motifs", "dream", "look", "move", "system"):
            turn(page, tab)
            time.sleep(1.5)
            page.screenshot(folder / f"{name}-{tab}.png")
