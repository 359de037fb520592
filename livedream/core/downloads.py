"""What is downloaded once into torch's cache, and how a person gets it there by hand."""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

import torch

from livedream.core.errors import LivedreamError

_SILENT_S: Final = 30.0  # heuristic: a server that sends nothing for so long has gone


@dataclass(frozen=True, slots=True)
class Download:
    """Where a file lies, or will once fetched.

    path: the file.  url: where to get it, None for one that cannot be downloaded.  sha256: the
    checksum or its first digits, None where nobody published one.  mend: what to do about a file
    without `url` that is missing.
    """

    path: Path
    url: str | None
    sha256: str | None
    mend: str = "reinstall livedream"

    @property
    def by_hand(self) -> str:
        """What to do without a network: `put FILE (checksum) into FOLDER`."""
        checksum = f"SHA-256 begins with {self.sha256}" if self.sha256 else "no published checksum"
        return f"put {self.path.name} ({checksum}) into {self.path.parent}"


def cached(url: str, sha256: str | None = None) -> Download:
    """`url` in torch's cache; without `sha256` the digits that torchvision writes into names."""
    name = Path(urlparse(url).path).name
    if sha256 is None:
        match = torch.hub.HASH_REGEX.search(name)
        sha256 = (match.group(1) or None) if match else None
    return Download(Path(torch.hub.get_dir()) / "checkpoints" / name, url, sha256)


def obtain(
    download: Download,
    name: str,
    raises: type[LivedreamError],
    *,
    progress: bool = True,
    otherwise: str = "",
) -> Path:
    """The verified file, fetched if need be.

    name: who needs it.  otherwise: what works without it, the end of the message.  Raises `raises`
    when it cannot be had or its checksum differs.
    """
    if not download.path.is_file():
        _fetch(download, name, raises, progress, otherwise)
    if download.sha256 is not None:
        digest = file_sha256(download.path)
        if not digest.startswith(download.sha256):
            raise raises(
                f"{name}: {download.path} is damaged or another file: SHA-256 must be "
                f"{download.sha256[:16]} (got {digest[:16]}); "
                f"{'delete it and try again' if download.url else download.mend}{otherwise}"
            )
    return download.path


def _fetch(
    download: Download, name: str, raises: type[LivedreamError], progress: bool, otherwise: str
) -> None:
    if download.url is None:
        raise raises(f"{name}: {download.path} is missing; {download.mend}")
    try:
        download.path.parent.mkdir(parents=True, exist_ok=True)
        with _patience():
            torch.hub.download_url_to_file(
                download.url, str(download.path), hash_prefix=download.sha256, progress=progress
            )
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise raises(
            f"{name}: cannot download {download.url} ({reason}); {download.by_hand}{otherwise}"
        ) from error


@contextmanager
def _patience() -> Iterator[None]:
    """torch.hub names no timeout: within this Python's own is `_SILENT_S`."""
    before_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before_s)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
