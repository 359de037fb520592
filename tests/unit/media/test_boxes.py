"""Boxes and elements: where a growing file is whole."""

import io

import pytest

from livedream.media.boxes import whole_chunks


def box(name: bytes, size: int, *, claimed: int | None = None) -> bytes:
    length = size if claimed is None else claimed
    return length.to_bytes(4, "big") + name + bytes(size - 8)


HEADER = box(b"ftyp", 28) + box(b"moov", 100)
CHUNK = box(b"moof", 40) + box(b"mdat", 60)


def layout(content: bytes) -> tuple[int, int] | None:
    return whole_chunks(io.BytesIO(content), len(content))


@pytest.mark.parametrize("chunks", [1, 2, 7])
def test_whole_chunks_are_counted(chunks: int) -> None:
    content = HEADER + chunks * CHUNK
    assert layout(content) == (chunks, len(content))


@pytest.mark.parametrize("missing", [1, 59, 60, 61, 99])
def test_a_chunk_that_breaks_off_does_not_count(missing: int) -> None:
    content = HEADER + 3 * CHUNK
    assert layout(content[:-missing]) == (2, 328)


def test_a_header_alone_is_a_growing_file() -> None:
    assert layout(HEADER) == (0, 128)


def test_large_boxes_have_their_size_behind_the_name() -> None:
    large = (1).to_bytes(4, "big") + b"mdat" + (60).to_bytes(8, "big") + bytes(44)
    content = HEADER + box(b"moof", 40) + large
    assert layout(content) == (1, len(content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"my diary, which is no video at all",
        HEADER[:60],
        HEADER + box(b"mdat", 900),
        box(b"ftyp", 28) + box(b"mdat", 900) + box(b"moov", 100),
        bytes(400),
    ],
)
def test_other_files_are_not_growing(content: bytes) -> None:
    assert layout(content) is None


EBML = b"\x1a\x45\xdf\xa3\x84" + bytes(4)
GROWING = b"\x18\x53\x80\x67\x01" + 7 * b"\xff"
TRACKS = b"\x16\x54\xae\x6b\x8a" + bytes(10)
CLUSTER = b"\x1f\x43\xb6\x75\x40\x20" + bytes(32)


def test_clusters_are_counted() -> None:
    header = EBML + GROWING + TRACKS
    assert layout(header + 2 * CLUSTER) == (2, len(header) + 76)
    assert layout((header + 2 * CLUSTER)[:-1]) == (1, len(header) + 38)
    assert layout(header) == (0, len(header))


def test_a_finished_matroska_file_is_not_growing() -> None:
    size = (1 << 56 | len(TRACKS + CLUSTER)).to_bytes(8, "big")
    assert layout(EBML + GROWING[:4] + size + TRACKS + CLUSTER) is None
