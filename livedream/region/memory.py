"""What regions carry from frame to frame."""

from collections.abc import MutableMapping

import numpy as np
from numpy.typing import NDArray

# Arrays by name, each replaced and never changed: whoever keeps a copy of the mapping has them all.
Memory = MutableMapping[str, NDArray[np.float32]]
