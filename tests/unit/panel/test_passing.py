"""What is passed on to the panel of the show that runs."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from starlette.requests import Request

from livedream.panel.passing import pass_request


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/cut":  # a show that ends amid its answer
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def passed(path: str, port: int) -> tuple[int, bytes]:
    asked = Request({"type": "http", "method": "GET", "raw_path": path.encode(), "headers": []})
    answer = asyncio.run(pass_request(asked, port))
    return answer.status_code, bytes(answer.body)


def test_a_proxy_of_the_environment_is_not_asked(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert passed("/preview.jpg", port) == (200, b"here")


def test_a_show_that_ends_amid_its_answer_is_none(port: int) -> None:
    assert passed("/cut", port)[0] == 503
