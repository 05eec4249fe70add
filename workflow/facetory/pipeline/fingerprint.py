"""What partial results are bound to: the spec, the code and the inputs that made them."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def fingerprint(record: dict[str, Any]) -> str:
    """16 hex digits for a manifest's spec, code and inputs."""
    parts = [record["spec"], record["code"], sorted(record["inputs"].values())]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
