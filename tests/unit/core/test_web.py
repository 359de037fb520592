"""Who may come in: what the panel's and the OBS page's address is called."""

import pytest
from starlette.requests import HTTPConnection

from livedream.core.addresses import Endpoint
from livedream.core.web import Access


def asked(host: str) -> HTTPConnection:
    headers = {"host": host, "origin": f"http://{host.lower()}", "authorization": "Bearer kept"}
    return HTTPConnection({
        "type": "http", "method": "GET", "path": "/", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.168.1.7", 50_000), "server": ("192.168.1.2", 8765),
    })  # fmt: skip


@pytest.mark.parametrize("host", ["desktop-7f", "DESKTOP-7F", "desktop-7f.local", "192.168.1.2"])
def test_a_machine_is_reached_by_its_name_in_any_case(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows says its name in capitals, a browser asks for it in small letters."""
    monkeypatch.setattr("socket.gethostname", lambda: "DESKTOP-7F")
    access = Access(Endpoint("0.0.0.0", 8765), "kept")
    assert access.refusal(asked(f"{host}:8765")) is None
    refusal = access.refusal(asked("evil.example:8765"))
    assert refusal is not None
    assert refusal[0] == 421
