"""The decoders that ship with the package, known by their files' headers without loading torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

SHIPPED = Path(__file__).parent / "shipped"
FORMAT = "vtok-eval decoder 2"
SUFFIX = ".safetensors"


def shipped_decoders() -> Mapping[str, str]:
    """System -> the spec of the tokenizer that its decoder was trained for.

    Example:
        >>> shipped_decoders()["frames-2"]
        'of the tokens of frames-2'
    """
    from safetensors import safe_open

    found = {}
    for path in sorted(SHIPPED.glob(f"*{SUFFIX}")):
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()[FORMAT])
        found[str(about["system"])] = f"of the tokens of {about['spec']}"
    return found
