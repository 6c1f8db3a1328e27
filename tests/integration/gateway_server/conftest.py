"""What every test of the server shares."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from gateway_serving import serve

__all__ = ["serve"]
