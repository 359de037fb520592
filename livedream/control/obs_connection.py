"""A connection to OBS's WebSocket that trusts nothing it hears."""

import contextlib
import json
import logging
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from livedream.control.obs_address import PASSWORD, whereabouts
from livedream.core.errors import LivedreamError, SettingsError, SourceError, reason

_PATIENCE_S: Final = 2.0
_LARGEST: Final = 16 << 20  # bytes of an answer; that of a thousand scenes has some 100 KB
_LARGEST_HELLO: Final = 16 << 10  # of a WebSocket's opening and the first message; OBS needs 500
_NO_SUCH_SOURCE: Final = 600  # obs-websocket's ResourceNotFound


class RefusedError(SourceError):
    """OBS is there, and will not do what was asked of it."""


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Within it an answer that no OBS gives is a SourceError."""
    try:
        yield
    except LivedreamError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        said = f"{type(error).__name__}: {reason(error)}"[:200]
        raise SourceError(f"obs: what answers is not OBS, or a newer one ({said})") from error


class _BoundedSocket(socket.socket):
    """Reads no more and for no longer than an answer takes."""

    def begin(self, most: int) -> None:
        """Another answer, of so many bytes."""
        self._left = self._most = most
        self._until_s = time.monotonic() + 2 * _PATIENCE_S

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        # A ValueError, since a TimeoutError would lose its words in the library.
        if time.monotonic() > self._until_s:
            raise ValueError(f"no complete answer in {2 * _PATIENCE_S:g} s")
        found = super().recv(size, flags)
        self._left -= len(found)
        if self._left < 0:
            raise ValueError(f"an answer of more than {self._most >> 10} KiB")
        return found


def _connect(host: str, port: int, password: str) -> tuple[Any, _BoundedSocket]:
    """A client that has heard OBS's first message, and its socket.

    The library's own constructor would read headers without end, follow a redirection to
    anywhere, and ask a proxy of the environment.
    """
    base: Any = obsws().baseclient.ObsClient
    import websocket

    class Client(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self.logger = logging.getLogger("obsws_python")
            self.password, self.subs = password, 0

    opened = socket.create_connection((host, port), _PATIENCE_S)
    bounded = _BoundedSocket(fileno=opened.detach())
    bounded.settimeout(_PATIENCE_S)
    bounded.begin(_LARGEST_HELLO)
    client = Client()
    try:
        client.ws = websocket.WebSocket()
        named = f"[{host}]" if ":" in host else host
        client.ws.connect(f"ws://{named}:{port}", socket=bounded, redirect_limit=0)
        client.server_hello = json.loads(client.ws.recv())
    except BaseException:
        bounded.close()
        raise
    return client, bounded


class ObsConnection:
    """Asks OBS.

    address: HOST:PORT, "" for OBS on this machine. The password is that of an environment variable
    (`PASSWORD`), or for OBS on this machine the one in OBS's own settings.
    Raises SettingsError without obsws-python, SourceError where OBS does not answer.
    """

    def __init__(self, address: str = "") -> None:
        host, port, password = whereabouts(address)
        obsws()
        try:
            self._client, self._bounded = _connect(host, port, password)
        except Exception as error:  # the library's own, and those of two others beneath it
            raise SourceError(_unreachable(host, port, error)) from None
        try:
            self._client.authenticate()
        except Exception as error:  # as above
            self._client.ws.shutdown()
            hello = self._client.server_hello
            locked = isinstance(hello, dict) and isinstance(hello.get("d"), dict)
            if locked and "authentication" in hello["d"]:
                raise SourceError(_refused(host, port, bool(password))) from None
            raise SourceError(_unreachable(host, port, error)) from None

    def ask(self, what: str, **details: Any) -> dict[str, Any]:
        """OBS's answer to a request.  Raises RefusedError; SourceError for a lost connection."""
        found = self._answer(what, details)
        status = found["requestStatus"]
        if not status["result"]:
            raise _refusal(what, status)
        return dict(found.get("responseData") or {})

    def _answer(self, what: str, details: Mapping[str, Any]) -> dict[str, Any]:
        self._bounded.begin(_LARGEST)
        try:
            return dict(self._client.req(what, details))
        except Exception as error:  # as above
            raise SourceError(f"obs: {what}: {reason(error)}") from None

    def done(self, what: str, **details: Any) -> bool:
        """Ask for what gives no answer; whether that was there of which it was asked.

        Raises RefusedError where it was there and OBS did not do it.
        """
        status = self._answer(what, details)["requestStatus"]
        if not status["result"] and status["code"] != _NO_SUCH_SOURCE:
            raise _refusal(what, status)
        return bool(status["result"])

    def close(self) -> None:
        with contextlib.suppress(Exception):  # OBS may have gone
            self._client.ws.close(timeout=1)
        self._client.ws.shutdown()


def _refusal(what: str, status: Mapping[str, Any]) -> RefusedError:
    return RefusedError(f"obs: {what}: {str(status.get('comment') or status['code'])[:200]}")


def _unreachable(host: str, port: int, error: Exception) -> str:
    # A timeout of the library beneath is none of Python's.
    if isinstance(error, OSError) or "Timeout" in type(error).__name__:
        return (
            f"obs: nothing answers at {host}:{port}; start OBS and switch on Tools, "
            "WebSocket Server Settings, Enable WebSocket server"
        )
    return f"obs: what answers at {host}:{port} is not OBS ({reason(error)[:100]})"


def _refused(host: str, port: int, has_password: bool) -> str:
    if has_password:
        return f"obs: {host}:{port} does not take the password; is {PASSWORD} the one in OBS?"
    return f"obs: {host}:{port} wants a password: put it into {PASSWORD}"


def obsws() -> Any:
    """The library.  Raises SettingsError where it is not installed."""
    try:
        import obsws_python.baseclient
    except ImportError as error:
        raise SettingsError(
            'obs: obsws-python is not installed; pip install "livedream[obs]"'
        ) from error
    # It would write the password into its log.
    logging.getLogger("obsws_python").setLevel(logging.CRITICAL + 1)
    return obsws_python
