"""What a live show goes on with when it is asked for what cannot be dreamed."""

from collections.abc import Mapping

from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.live.dreamer_pool import LiveDreamerPool


def test_a_prompt_that_the_network_does_not_know_leaves_the_one_before() -> None:
    settings = DreamSettings(prompt="owl", device="cpu", engine="torch")
    pool = LiveDreamerPool(Dreamer(settings))
    said: list[tuple[str, Mapping[str, str]]] = []
    pool.refused = lambda network, kept: said.append((network, kept))
    dreamer = pool.get(settings.replace(prompt="owll", strength=20.0))
    assert (dreamer.settings.prompt, dreamer.settings.strength) == ("owl", 20.0)
    assert said == [("", {"objective": "", "prompt": "owl"})]
    assert "did you mean owl" in pool.notes["objective"]
