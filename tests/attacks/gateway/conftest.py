"""The server that is attacked."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "integration" / "gateway_server"))

from gateway_serving import serve

__all__ = ["serve"]
