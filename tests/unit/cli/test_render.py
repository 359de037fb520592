"""`livedream render` with several films."""

from pathlib import Path

from livedream.cli.render import with_dreamers
from livedream.core.settings import DreamSettings
from livedream.jobs.render import RenderJob


def test_films_share_a_network_whatever_has_moved_the_one_before() -> None:
    settings = DreamSettings(prompt="elephant", device="cpu", engine="torch")
    names = ("a.mp4", "b.mp4", "c.mp4")
    jobs = [RenderJob(source=name, output=Path(name), settings=settings) for name in names]
    networks, timers = [], []
    for _, dreamer in with_dreamers(jobs):
        asked = settings.replace(network="dreamnet+dreamnet-things")
        assert (dreamer.settings, dreamer.network_given) == (asked, False)
        networks.append(dreamer.network)
        timers.append(dreamer.timer)
        dreamer.adopt(settings.replace(prompt="elephant and monarch", strength=3.0))
    assert len(networks) == len(jobs)
    assert all(network is networks[0] for network in networks)
    assert len(set(map(id, timers))) == len(jobs)  # each film has figures of its own
