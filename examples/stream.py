"""Dream a camera for OBS, as a Media Source (UDP) and a Browser Source at the same time.

python examples/stream.py                        # the first camera, until Ctrl-C
python examples/stream.py synthetic:clouds       # without a camera
python examples/stream.py SOURCE SINK...         # other outputs, see docs/outputs.md
"""

import sys
from contextlib import suppress

from livedream.live.job import LiveJob
from livedream.live.session import Session

source = sys.argv[1] if len(sys.argv) > 1 else ""
sinks = tuple(sys.argv[2:]) or ("udp://127.0.0.1:9000", "browser:127.0.0.1:8766")

with suppress(KeyboardInterrupt), Session(LiveJob(source=source, sinks=sinks)) as session:
    print("dreaming for", *sinks, flush=True)
    session.run()
