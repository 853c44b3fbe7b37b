"""`--json`: the one document that a command prints on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping


def json_text(kind: str, content: Mapping[str, object]) -> str:
    """The document of one command; `schema` names its form, and changes where a reader could misread it.

    Example:
        >>> print(json_text("list", {"listings": {}}))
        {
          "schema": "vtok-eval/list/1",
          "listings": {}
        }
    """
    document = {"schema": f"vtok-eval/{kind}/1", **content}
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
