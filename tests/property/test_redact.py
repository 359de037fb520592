"""No address shape lets a secret through, wherever the address stands; the rest stays readable."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livedream.core.errors import SettingsError, SinkError
from livedream.core.health import Health
from livedream.core.redact import redact

# Shapes are written in small letters, secrets in capitals: a capital that shows is a leak.
SHAPES = {
    "rtsp://admin:{}@camera:554/stream1": "rtsp://***@camera:554/stream1",
    "rtsps://{}@10.0.0.7/h264": "rtsps://***@10.0.0.7/h264",
    "http://{}:{}@[fe80::1]:80/video.mjpg": "http://***@[fe80::1]:80/video.mjpg",
    "rtmp://a.example/live2/{}": "rtmp://a.example/***",
    "rtmps://a.example:443/rtmp/{}?bitrate=6m": "rtmps://a.example:443/***",
    "rtmp://user:{}@a.example/app/{}": "rtmp://***",
    "rtmp://a.example/{}": "rtmp://a.example/***",
    "srt://a.example:9000?passphrase={}&latency=120": (
        "srt://a.example:9000?passphrase=***&latency=120"
    ),
    "srt://a.example:9000?mode=caller&streamid={}": "srt://a.example:9000?mode=caller&streamid=***",
    "browser:0.0.0.0:8766?quality=90&token={}": "browser:0.0.0.0:8766?quality=90&token=***",
    "https://cdn.example/live.m3u8?key={}&part=2": "https://cdn.example/live.m3u8?key=***&part=2",
    "rtsp://camera/user=admin&password={}&channel=1": (
        "rtsp://camera/user=***&password=***&channel=1"
    ),
}
PLACES = ("{}", "{}: nothing comes", "Input/output error: '{}'", "lost {}", "a to {}", "b\n{}\nc")

secrets = st.text("ABCXYZ0%#?/@:=+ '\"!$()[]{}\\.,;é", min_size=1, max_size=20)
anywhere = secrets.map(lambda text: f"Q{text}Q").filter(lambda text: "://" not in text)


def leaks(shown: str) -> bool:
    return any(letter.isupper() for letter in shown.replace("Input", "").replace("SinkE", ""))


@pytest.mark.parametrize("shape", SHAPES)
@given(secret=anywhere, place=st.sampled_from(PLACES))
def test_no_secret_is_shown(shape: str, secret: str, place: str) -> None:
    address = shape.replace("{}", secret)
    scheme = shape.partition(":")[0]
    unsure = address.startswith("rtmp") and "@" in address
    assert redact(address) == (f"{scheme}://***" if unsure else SHAPES[shape])
    for text in (place.format(address), place.format(str(Path(address))), repr(address)):
        shown = redact(text)
        assert not leaks(shown), shown
        assert redact(shown) == shown
    assert not leaks(str(SettingsError(f"{address!r} is not known")))
    assert not leaks(str(SinkError(5, address)).replace("Errno", ""))
    health = Health(address, "lost", f"cannot reach {address}")
    assert not leaks(health.name + health.detail)


@pytest.mark.parametrize(
    "text",
    [
        "udp://@239.1.2.3:9000?pkt_size=1316",
        "udp://127.0.0.1:9000 is lost: nobody listens",
        "srt://127.0.0.1:9000?mode=caller&latency=60",
        "record:shows?of=both&budget=50GB",
        "0.2 * mixed4a:20 + eyes",
        "C:/Users/me@home/film.mp4",
        "monkey=1, keyframe=2",
        "rtsp://camera:554: nothing received (401 Unauthorized)",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
