"""`livedream render` with several films."""

from pathlib import Path
from typing import Any

import pytest

from livedream.cli.render import with_dreamers
from livedream.control.automation import Automation
from livedream.jobs.render import RenderJob


@pytest.mark.parametrize(
    ("more", "shared"),
    [({}, "strokes"), ({"automation": Automation()}, None), ({"replay": Path("show.jsonl")}, None)],
)
def test_an_objective_that_may_have_been_moved_is_not_handed_on(
    more: dict[str, Any], shared: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[object, ...]] = []

    class Made:
        network, objective = "dreamnet", "strokes"

        def __init__(self, settings: object, *loaded: object) -> None:
            given.append(loaded)

    monkeypatch.setattr("livedream.dream.dreamer.Dreamer", Made)
    jobs = [RenderJob(source=name, output=Path(name), **more) for name in ("a.mp4", "b.mp4")]
    assert [job for job, _ in with_dreamers(jobs)] == jobs
    assert given == [(None, None), ("dreamnet", shared)]
