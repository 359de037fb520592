"""One slot: the newest only, nobody waits to put, readers wake."""

import threading

import pytest
from waiting import PATIENCE_S

from livedream.core.latest_slot import LatestSlot, SlotClosed


def test_only_the_newest_is_kept_and_the_others_counted() -> None:
    slot: LatestSlot[int] = LatestSlot()
    for item in range(5):
        slot.put(item)
    assert slot.get() == 4
    assert slot.dropped == 4
    assert slot.get(0.01) is None


def test_a_reader_wakes_for_an_item() -> None:
    slot: LatestSlot[str] = LatestSlot()
    threading.Timer(0.05, slot.put, ["here"]).start()
    assert slot.get(PATIENCE_S) == "here"


def test_closing_wakes_readers_and_leaves_the_last_item() -> None:
    slot: LatestSlot[int] = LatestSlot()
    threading.Timer(0.05, slot.close).start()
    with pytest.raises(SlotClosed):
        slot.get(PATIENCE_S)
    other: LatestSlot[int] = LatestSlot()
    other.put(1)
    other.close()
    other.put(2)
    assert other.get() == 1
    with pytest.raises(SlotClosed):
        other.get()
