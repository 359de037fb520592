"""What the tests of pages share: a browser, started once for each file."""

from collections.abc import Iterator

import pytest
from chromium import Browser, open_chromium


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_chromium(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Without the pages of the test before."""
    yield chromium
    chromium.close_pages()
