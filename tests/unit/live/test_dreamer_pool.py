"""What a live show goes on with when it is asked for what cannot be dreamed."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from livedream.control.catalogue import own_objective
from livedream.control.live_parameters import LiveParameters
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.dreamers import DreamerPool
from livedream.dream.networks.dreamnet import read_metadata
from livedream.dream.networks.network import load_network
from livedream.dream.networks.registry import models_folder
from livedream.live.dreamer_pool import LiveDreamerPool


def test_a_prompt_that_the_network_does_not_know_leaves_the_one_before() -> None:
    settings = DreamSettings(prompt="owl", device="cpu", engine="torch")
    pool = LiveDreamerPool(Dreamer(settings))
    said: list[tuple[str, str, Mapping[str, str]]] = []
    pool.refused = lambda *refused: said.append(refused)
    dreamer = pool.get(settings.replace(prompt="owll", strength=20.0))
    assert (dreamer.settings.prompt, dreamer.settings.strength) == ("owl", 20.0)
    assert said == [("", "", {"objective": "", "prompt": "owl"})]
    assert "did you mean owl" in pool.notes["objective"]


def test_a_mask_that_goes_away_stops_neither_the_dream_nor_what_else_is_set(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.full((9, 16), 255, np.uint8))
    settings = DreamSettings(where=f"mask({path})", device="cpu", engine="torch")
    pool = LiveDreamerPool(Dreamer(settings))
    said: list[str] = []
    pool.refused = lambda network, dreams, kept: said.append(network)
    path.unlink()
    dreamer = pool.get(settings.replace(strength=20.0))
    assert dreamer.settings.strength == 20.0
    dreamer = pool.get(settings.replace(prompt="owl"))
    assert dreamer.settings.prompt == "owl"
    assert not pool.notes  # the loop's regions say it
    assert not said


def test_a_mask_that_is_not_there_leaves_the_region_before_until_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    settings = DreamSettings(where="left", device="cpu", engine="torch")
    pool = LiveDreamerPool(Dreamer(settings))
    said: list[str] = []
    pool.refused = lambda network, dreams, kept: said.append(network)
    wanted = settings.replace(where=f"mask({path})", strength=20.0)
    dreamer = pool.get(wanted)
    assert (dreamer.settings.where, dreamer.settings.strength) == ("left", 20.0)
    assert "mask.png" in pool.notes["where"]
    cv2.imwrite(str(path), np.full((9, 16), 255, np.uint8))
    assert pool.get(wanted).settings.where == wanted.where
    assert not pool.notes
    assert not said


@pytest.mark.parametrize("live", [False, True])
def test_weights_of_one_s_own_are_the_first_network_s_alone(tmp_path: Path, live: bool) -> None:
    path = tmp_path / "mine.safetensors"
    own = models_folder() / "dreamnet.safetensors"
    said = {**read_metadata(own), "default_objective": "eyes"}
    save_file(load_file(own), path, metadata={"livedream": json.dumps(said)})
    settings = DreamSettings(weights=str(path), device="cpu", engine="torch")
    first = Dreamer(settings)
    pool = LiveDreamerPool(first) if live else DreamerPool(first)
    birds = pool.get(settings.replace(network="dreamnet-birds"))
    while isinstance(pool, LiveDreamerPool) and birds is first:  # until it is loaded
        assert (first.network.default_objective, pool.notes) == ("eyes", {})
        time.sleep(0.01)
        birds = pool.get(settings.replace(network="dreamnet-birds"))
    assert birds.network.default_objective == own_objective("dreamnet-birds")
    assert pool.get(settings) is first
    assert first.network.default_objective == "eyes"


def test_a_prompt_brings_its_network_where_weights_of_one_s_own_are_another_s(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes((models_folder() / "dreamnet.safetensors").read_bytes())
    own = DreamSettings(network="dreamnet", weights=str(path), device="cpu", engine="torch")
    parameters, pool = LiveParameters(own), DreamerPool(Dreamer(own))
    for network, prompt, dreams in (
        ("dreamnet", "elephant", "dreamnet"),
        ("", "elephant", "dreamnet+dreamnet-things"),
        ("", "castle", ""),
        ("dreamnet", "castle", "dreamnet"),
    ):
        parameters.apply({"network": network, "prompt": prompt}, ramp_s=0.0)
        dreamer = pool.get(parameters.snapshot().dream)
        assert parameters.dreaming == dreamer.settings.network == dreams
        assert (dreamer is pool.first) == (network == own.network)


def test_a_network_that_is_given_dreams_what_a_show_of_unnamed_ones_brings() -> None:
    settings = DreamSettings(prompt="elephant", device="cpu", engine="torch")
    for pool_of in (DreamerPool, LiveDreamerPool):
        pool = pool_of(Dreamer(settings, load_network("dreamnet", random_seed=3)))
        parameters = LiveParameters(settings, network_given=pool.first.network_given)
        for prompt in ("monarch", "castle", "", "elephant"):
            parameters.set("prompt", prompt)  # on its way, too
            for now in (parameters.snapshot(), parameters.snapshot(time.monotonic() + 60.0)):
                assert now.previous is None
                assert pool.get(now.dream) is pool.first
        assert not pool.first.settings.network
