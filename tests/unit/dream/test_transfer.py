"""Copies: nothing is overwritten while it is under way, whatever the device's speed."""

import numpy as np
import pytest
import torch
from recorded import Stream

from livedream.dream.transfer import Transfers

CPU = torch.device("cpu")


def pictures(count: int, side: int = 5) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (side, 7, 3), np.uint8) for _ in range(count)]


def test_a_buffer_is_filled_again_only_when_its_copy_is_done() -> None:
    stream = Stream(late=True)
    copies, sent = Transfers(CPU, stream), pictures(6)
    there = [copies.to_device(picture) for picture in sent]
    # All but those under way have arrived, each as it was sent.
    for picture, tensor in zip(sent[:-2], there, strict=False):
        assert (tensor.numpy() == picture).all()
    assert stream.buffers == 2


def test_what_comes_back_is_there_when_it_is_asked_for() -> None:
    copies = Transfers(CPU, Stream(late=True))
    sent = [torch.from_numpy(picture) for picture in pictures(5)]
    one, two = copies.to_host(sent[0]), copies.to_host(sent[1])
    assert (two == sent[1].numpy()).all() and (one == sent[0].numpy()).all()
    for tensor in sent[2:]:
        assert (copies.to_host(tensor) == tensor.numpy()).all()


def test_what_is_fetched_later_may_be_one_behind_and_stays() -> None:
    copies, kept = Transfers(CPU, Stream(late=True)), []
    sent = [torch.from_numpy(picture) for picture in pictures(6)]
    waiting = copies.to_host_later(sent[0])
    for tensor in sent[1:]:
        begun = copies.to_host_later(tensor)
        kept.append(waiting())
        waiting = begun
    kept.append(waiting())
    for tensor, found in zip(sent, kept, strict=True):
        assert (found == tensor.numpy()).all()


def test_the_sent_array_may_change_at_once() -> None:
    copies, picture = Transfers(CPU, Stream(late=True)), pictures(1)[0]
    wanted = picture.copy()
    there = copies.to_device(picture)
    picture[:] = 0
    for other in pictures(2):
        copies.to_device(other)
    assert (there.numpy() == wanted).all()


def test_another_size_gets_other_buffers() -> None:
    stream = Stream(late=True)
    copies = Transfers(CPU, stream)
    for side in (5, 5, 9, 9, 9):
        copies.to_device(pictures(1, side)[0])
    assert stream.buffers == 4


@pytest.mark.parametrize("step", [1, -1])
def test_without_a_stream_a_copy_is_a_copy(step: int) -> None:
    copies, picture = Transfers(CPU), pictures(1)[0][:, ::step]
    there = copies.to_device(picture)
    assert (there.numpy() == picture).all()
    assert (copies.to_host(there.permute(2, 0, 1)) == picture.transpose(2, 0, 1)).all()
