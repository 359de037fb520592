"""A program that writes a video and can be killed: `files_writer.py OUT CODEC FPS COUNT [SOURCE]`.

Prints "from N" when the file is open, then "I" after frame I was written. Goes on with what is
there already.
"""

import sys
import time
from itertools import islice
from pathlib import Path

from files_made import frames, info

from livedream.capture import open_source
from livedream.present import open_sink


def main(out: str, codec: str, fps: float, count: int, source: str | None) -> None:
    if source is None:
        given, about = frames(count), info()
    else:
        with open_source(source) as opened:
            given, about = list(islice(opened, count)), opened.info
    sink = open_sink(out, about, codec=codec, resume=True)
    print("from", sink.frames_written, flush=True)
    for frame in given[sink.frames_written :]:
        sink.write(frame)
        print(frame.index, flush=True)
        time.sleep(1 / fps)
    sink.close()
    print("done", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(
        sys.argv[1],
        sys.argv[2],
        float(sys.argv[3]),
        int(sys.argv[4]),
        sys.argv[5] if len(sys.argv) > 5 else None,
    )
