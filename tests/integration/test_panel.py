"""The panel over real connections: what it says, what it does, what it refuses."""

import base64
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from panel_made import Client, Stage, open_stage
from waiting import PATIENCE_S
from websockets.exceptions import ConnectionClosed

from livedream.control.modulation import Modulator
from livedream.core.addresses import Endpoint
from livedream.present.live.placement import Placement
from livedream.present.live.wall_control import DisplayState

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("panel")) as made:
        yield made


@pytest.fixture(scope="module")
def networked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Listening on all addresses, reached at 127.0.0.1 like from elsewhere: with a token."""
    folder = tmp_path_factory.mktemp("networked")
    with open_stage(folder, Endpoint("0.0.0.0", 0), TOKEN) as made:
        yield made


def ask(
    stage: Stage, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Asks again where the answer was lost: a server that refuses a body closes before it has read
    all of it, and the reset may overtake what it said."""
    for _ in range(4):
        with suppress(ConnectionError):
            return _ask_once(stage, path, method, body, headers)
    return _ask_once(stage, path, method, body, headers)


def _ask_once(
    stage: Stage, path: str, method: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    link = http.client.HTTPConnection("127.0.0.1", stage.panel.port, timeout=PATIENCE_S)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        link.request(method, path, body, named)
        answer = link.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        link.close()


def test_page_parts_and_health(stage: Stage) -> None:
    status, headers, page = ask(stage, "/")
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert b"http://" not in page and b"https://" not in page  # nothing from elsewhere
    for name in ("panel.css", "panel.js", "controls.js", "graphs.js", "motifs.js", "icon.svg"):
        assert ask(stage, f"/static/{name}")[0] == 200
    client = Client(stage)
    client.until(lambda sent: sent.get("status", {}).get("source", {}).get("name") == "clouds")
    client.close()
    status, headers, text = ask(stage, "/health")
    health = json.loads(text)
    assert (status, health["state"], health["source"]["name"]) == (200, "ok", "clouds")
    assert health["controllers"]["panel"]["state"] == "ok"
    assert ask(stage, "/preview.jpg")[2][:2] == b"\xff\xd8"


def test_a_page_is_told_everything_from_the_declaration(stage: Stage) -> None:
    client = Client(stage)
    hello = client.until(lambda sent: sent.get("hello"))
    named = {one["name"]: one for one in hello["parameters"]}
    assert list(named) == list(stage.parameters.declared)
    assert named["half_life"]["unit"] == "s"
    assert named["jitter"]["advanced"] and not named["strength"]["advanced"]
    assert (named["strength"]["maximum"], named["strength"]["high"]) == (100, 48)
    state = client.until(lambda sent: sent.get("state"))
    assert {one["name"] for one in state["presets"]} == set(stage.show.presets.names)
    assert state["layers"][0]["name"] == "strokes"
    client.until(lambda sent: sent.get("status"))
    client.until(lambda sent: client.pictures > 3)
    client.close()


def test_what_one_page_does_the_other_sees(stage: Stage) -> None:
    one, other = Client(stage), Client(stage)
    one.until(lambda sent: sent.get("hello"))
    other.until(lambda sent: sent.get("hello"))
    one.send(set="strength", unit=0.75)
    assert other.until(lambda sent: sent["values"]["strength"][0] == 36)
    one.send(set="hue", value=-90)
    one.send(set="objective", value="eyes + 0.5*weave")
    other.until(lambda sent: sent["values"]["objective"][0] == "eyes + 0.5*weave")
    assert other.sent["values"]["hue"] == [-90, 0.25]
    one.send(preset="ink", seconds=0.5)
    other.until(lambda sent: sent["state"]["preset"] == "ink")
    one.send(act="freeze")
    other.until(lambda sent: sent["values"]["freeze"][0] is True)
    one.send(act="freeze")
    one.send(modulators=[{"parameter": "rotation", "depth": 0.3}])
    other.until(
        lambda sent: sent["state"]["modulators"] == [{"parameter": "rotation", "depth": 0.3}]
    )
    other.until(lambda sent: sent.get("moved", {}).get("rotation"))
    one.send(bpm=90)
    other.until(lambda sent: sent["state"]["bpm"] == 90)
    one.send(default="hue")
    other.until(lambda sent: sent["values"]["hue"][0] == 0)
    one.send(modulators=[])
    one.send(program="aviary")
    other.until(lambda sent: sent["state"]["program"] == "aviary")
    one.send(program=None)
    other.until(lambda sent: sent["state"]["program"] is None)
    one.send(save="kept", title="Kept")
    other.until(lambda sent: any(card["name"] == "kept" for card in sent["state"]["presets"]))
    assert ask(stage, "/preset/kept.jpg")[2][:2] == b"\xff\xd8"
    one.send(forget="kept")
    other.until(lambda sent: all(card["name"] != "kept" for card in sent["state"]["presets"]))
    one.close()
    other.close()


def test_the_region_goes_to_who_lays_it_over_the_picture_and_when_it_changes(
    stage: Stage,
) -> None:
    looking, other = Client(stage), Client(stage)
    stage.region = np.zeros((90, 160), np.float32)
    stage.region[:, 80:] = 1.0
    looking.send(overlay=True)
    coded = looking.until(lambda sent: sent.get("region"))
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(coded), np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.shape == (90, 160, 4)
    assert shown[:, :78, 3].max() == 0 and shown[:, 100, 3].min() > 0
    del looking.sent["region"]
    pictures = looking.pictures
    looking.until(lambda _: looking.pictures > pictures + 3)
    assert "region" not in looking.sent  # it is as it was
    stage.region = None
    assert looking.until(lambda sent: sent.get("region") == "")
    other.until(lambda _: other.pictures > 3)
    assert "region" not in other.sent
    looking.close()
    other.close()


def test_what_is_painted_on_one_page_is_kept_for_all(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    one, other = Client(stage), Client(stage)
    one.send(paint=[[0.2, 0.5], [0.6, 0.5]], brush=0.2, begins=True)
    one.send(keep="stage-left")
    masks = other.until(lambda sent: sent.get("state", {}).get("masks"))
    assert masks == [f"mask({tmp_path / 'masks' / 'stage-left.png'})"]
    assert stage.parameters.painting.painted.plane.any()
    one.send(set="where", value=masks[0])
    other.until(lambda sent: sent["values"]["where"][0] == masks[0])
    one.send(painting="clear")
    one.send(set="where", value="")
    other.until(lambda sent: sent["values"]["where"][0] == "")
    assert not stage.parameters.painting.painted.plane.any()
    one.close()
    other.close()


@pytest.mark.parametrize(
    "message",
    [
        {"set": "strength", "value": 1000},
        {"set": "strength", "unit": "much"},
        {"set": "nothing", "unit": 0.5},
        {"set": "seed", "value": 3},
        {"set": "network"},
        {"act": "explode"},
        {"preset": "../../etc/passwd"},
        {"program": "../../etc/passwd"},
        {"program": "/etc/passwd.toml"},
        {"save": "../up"},
        {"forget": "ink"},
        {"modulators": [{"parameter": "objective"}]},
        {"bpm": 1e400},
        {"learn": "strength"},
        {"paint": [[0.5, 2]], "brush": 0.1},
        {"paint": [[0.5, 0.5]] * 1000, "brush": 0.1},
        {"painting": "burn"},
        {"keep": "../up"},
        {"keep": None},
        {"overlay": "much"},
        {"explode": 1},
        ["set"],
        None,
    ],
)
def test_what_makes_no_sense_is_answered_and_changes_nothing(stage: Stage, message: object) -> None:
    client = Client(stage)
    client.until(lambda sent: sent.get("hello"))
    before, painted = stage.parameters.targets(), stage.parameters.painting.painted
    client.link.send(json.dumps(message))
    assert client.until(lambda sent: sent.get("fault"))
    assert stage.parameters.targets() == before
    assert stage.parameters.painting.painted is painted
    client.close()


def test_what_is_no_json_is_answered(stage: Stage) -> None:
    client = Client(stage)
    for text in ("{", "[" * 20000, "x" * 40000):
        client.sent.pop("fault", None)
        client.link.send(text)
        assert client.until(lambda sent: sent.get("fault"))
    client.link.send(b"bytes")
    client.close()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:1", ""]
)
def test_a_wrong_host_is_refused(stage: Stage, host: str) -> None:
    assert ask(stage, "/", Host=host)[0] in (400, 421)
    head, frame = raw_socket(stage, host)
    assert head.startswith(b"HTTP/1.1 400") or closing_code(frame) == 4421


def raw_socket(stage: Stage, host: str) -> tuple[bytes, bytes]:
    """What a WebSocket is answered, and sent first. Opened by hand: the client library would set
    Host by itself."""
    lines = ["GET /socket HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
             "", ""]  # fmt: skip
    answer = b""
    with socket.create_connection(("127.0.0.1", stage.panel.port), timeout=PATIENCE_S) as link:
        link.sendall("\r\n".join(lines).encode())
        while not answer.partition(b"\r\n\r\n")[2] and (some := link.recv(4096)):
            answer += some
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head, rest


def closing_code(frame: bytes) -> int:
    """RFC 6455, 5.5.1."""
    assert frame[:1] == b"\x88"
    return int.from_bytes(frame[2:4], "big")


def refusal(stage: Stage, **headers: str) -> tuple[int, str]:
    """Why a WebSocket is closed that was sent nothing."""
    client = Client(stage, **headers)
    with pytest.raises(ConnectionClosed) as closed:
        client.link.recv(PATIENCE_S)
    client.close()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_a_foreign_origin_is_refused(stage: Stage) -> None:
    for origin in ("http://evil.example", "null", f"https://{stage.address}", "http://127.0.0.1"):
        assert ask(stage, "/health", Origin=origin)[0] == 403
        assert refusal(stage, Origin=origin)[0] == 4403
    own = f"http://{stage.address}"
    assert ask(stage, "/health", Origin=own)[0] == 200
    Client(stage, Origin=own).close()


@pytest.mark.parametrize("path", ["/", "/preview.jpg", "/code.svg", "/static/panel.js", "/nothing"])
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=a-token-for-test"])
def test_without_the_token_nothing_is_told(networked: Stage, path: str, query: str) -> None:
    status, _, body = ask(networked, path + query)
    assert status == 401
    assert b"token" in body


def test_a_socket_without_the_token_is_told_so_and_nothing_else(networked: Stage) -> None:
    wrong = {"Cookie": f"livedream-{networked.panel.port}=wrong"}
    for headers in ({}, wrong):
        code, reason = refusal(networked, **headers)
        assert code == 4401
        assert reason.startswith("the token is missing or wrong")


def test_the_token_opens_and_becomes_a_cookie(networked: Stage) -> None:
    status, headers, _ = ask(networked, f"/?token={TOKEN}")
    assert status == 200
    assert "HttpOnly" in headers["set-cookie"] and "SameSite=Strict" in headers["set-cookie"]
    cookie = headers["set-cookie"].partition(";")[0]
    assert ask(networked, "/static/panel.js", Cookie=cookie)[0] == 200
    client = Client(networked, Cookie=cookie)
    client.until(lambda sent: sent.get("hello", {}).get("phone"))
    client.close()
    assert networked.panel.url.endswith(f"/?token={TOKEN}")
    assert ask(networked, "/code.svg", Cookie=cookie)[2].startswith(b"<?xml")


def test_a_watchdog_on_this_machine_needs_no_token(networked: Stage) -> None:
    assert ask(networked, "/health")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/%2e%2e/server.py",
        "/static//etc/passwd",
        "/preset/..%2f..%2fpyproject.jpg",
        "/preset/%2e%2e.jpg",
        "/motif/dreamnet/..%2f..%2f..%2fetc%2fpasswd.jpg",
        "/motif/../../etc/passwd.jpg",
        "/motif/dreamnet/eyes:99999.jpg",
        "/motif/nothing/eyes.jpg",
        "/etc/passwd",
    ],
)
def test_paths_that_lead_out_lead_nowhere(stage: Stage, path: str) -> None:
    status, _, body = ask(stage, path)
    assert status == 404
    assert b"import" not in body and b"root:" not in body


def test_bodies_and_other_methods_are_refused(stage: Stage) -> None:
    assert ask(stage, "/", "POST", b"x" * 1000)[0] == 405
    assert ask(stage, "/", "GET", b"x")[0] == 413
    assert ask(stage, "/", Content_Length="1000000000")[0] == 413
    assert ask(stage, "/", "GET", None, Transfer_Encoding="chunked")[0] == 413
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        assert ask(stage, "/health", method)[0] == 405


def test_heads_and_messages_that_are_too_large_are_refused(stage: Stage) -> None:
    assert ask(stage, "/?" + "x" * 100_000)[0] in (400, 414, 431)
    client = Client(stage)
    with pytest.raises((ConnectionClosed, OSError)):
        client.link.send("x" * 1_000_000)
        while True:
            client.link.recv(timeout=PATIENCE_S)


def test_a_client_that_stops_reading_costs_the_loop_nothing(stage: Stage) -> None:
    """Its socket is full within a moment; others are served, and nothing is kept for it."""
    stuck = [socket.create_connection(("127.0.0.1", stage.panel.port)) for _ in range(4)]
    for link in stuck:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(
            f"GET /socket HTTP/1.1\r\nHost: {stage.address}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
    client = Client(stage)
    client.until(lambda sent: sent.get("hello"))
    pictures = stage.pictures
    for index in range(25):
        client.send(set="hue", value=index)
        client.until(lambda sent, wanted=index: sent["values"]["hue"][0] == wanted)
    assert len(stage.panel.broadcaster.clients) >= 5
    client.until(lambda _: stage.pictures > pictures + 10)  # the loop goes on
    for page in stage.panel.broadcaster.clients:
        assert len(json.dumps(page.unsent)) < 200_000
    for link in stuck:
        link.close()
    client.close()


def test_the_panel_ends_while_pages_are_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(threading.enumerate())
    with open_stage(tmp_path) as stage:
        clients = [Client(stage) for _ in range(3)]
        for client in clients:
            client.until(lambda sent: sent.get("hello"))
        for _ in range(2000):  # so many that it is being held up
            clients[0].send(set="hue", value=1)
        time.sleep(0.3)
        caplog.clear()
        logging.getLogger("uvicorn.error").addHandler(caplog.handler)
        stage.panel.close()
        left = {thread.name for thread in set(threading.enumerate()) - before}
        assert "livedream-panel" not in left
        logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
        assert "Exception" not in caplog.text


def test_a_motif_is_drawn_when_it_is_asked_for(stage: Stage) -> None:
    client = Client(stage)
    client.until(lambda sent: sent.get("state"))
    assert ask(stage, "/motif/dreamnet/weave:3.jpg")[0] == 202
    client.until(lambda sent: "dreamnet/weave:3" in sent.get("drawn", {}), 120)
    status, headers, picture = ask(stage, "/motif/dreamnet/weave:3.jpg")
    assert (status, headers["content-type"], picture[:2]) == (200, "image/jpeg", b"\xff\xd8")
    client.close()


def test_modulators_that_are_too_many_are_refused(stage: Stage) -> None:
    client = Client(stage)
    client.send(modulators=[Modulator(parameter="hue").as_dict()] * 500)
    assert "at most" in client.until(lambda sent: sent.get("fault"))
    client.close()


def test_the_window_is_set_apart_from_the_parameters(stage: Stage) -> None:
    """The studio keeps the values from one show to the next: a wall's are not among them."""
    client = Client(stage)
    try:
        assert client.until(lambda sent: "hello" in sent and "wall" in sent)
        stage.wall.publish((DisplayState(0, "display 0", Placement(gamma=1.5)),))
        (display,) = client.until(lambda sent: sent["wall"])
        assert display["values"]["gamma"] == [1.5, pytest.approx(0.626, abs=0.001)]
        client.send(set="wall/0/gamma", value=9.0)
        client.until(lambda sent: sent.get("fault") == "gamma: must be 0.2 to 5 (got 9)")
        assert client.sent["at"] == "wall/0/gamma"
        client.send(default="wall/0/gamma")
        client.send(act="wall/0/save")
        taken: list[object] = []
        client.until(lambda _: (taken.extend(stage.wall.take()), len(taken) == 2)[1])
        assert taken == [(0, "gamma", 1.0), (0, "save", None)]
        assert not [name for name in client.sent["values"] if name.startswith("wall")]
    finally:
        stage.wall.publish(())
        client.close()
