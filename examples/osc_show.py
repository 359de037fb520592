"""Play a one-minute show over OSC, as a lighting desk or a sequencer would.

livedream live synthetic:clouds --osc    # in another terminal
python examples/osc_show.py [HOST PORT [SPEED]]
"""

import sys
import time

from pythonosc.udp_client import SimpleUDPClient

HOST, PORT = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else ("127.0.0.1", 9001)
SPEED = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0

CUES = [  # when, in seconds; the address; its arguments
    (0, "/livedream/preset", ("whisper", 2.0)),
    (10, "/livedream/preset", ("menagerie", 8.0)),
    (20, "/livedream/strength/value", 24.0),
    (25, "/livedream/zoom/value", 1.1),
    (40, "/livedream/preset", ("plumage", 8.0)),
    (55, "/livedream/blackout", 1),
    (60, "/livedream/blackout", 0),
]

client = SimpleUDPClient(HOST, PORT)
start = time.monotonic()
for seconds, address, arguments in CUES:
    time.sleep(max(0.0, seconds / SPEED - (time.monotonic() - start)))
    client.send_message(address, arguments)
    print(f"{seconds:3d} s  {address} {arguments}", flush=True)
