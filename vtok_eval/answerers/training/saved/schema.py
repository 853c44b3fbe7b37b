"""What `reader.json`, the file that makes a folder a trained reader's, holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel as Schema
from pydantic import ConfigDict

# Any: plain data, as JSON can hold it.

READER_FILE, CARD_FILE = "reader.json", "CARD.md"
PROJECTION, TOKEN_PROJECTION = "projection.safetensors", "token_projection.safetensors"
ADAPTER, LANGUAGE_MODEL = "adapter", "language_model"
FORMAT = 1
"""Of `reader.json`; to be raised when an earlier version could not read it."""


@dataclass(frozen=True)
class BaseModel:
    """The language model that a training began with, if the checkpoint holds adapters of it only.

    model: its folder, or its name on the hub. weights_sha256: as `describe_checkpoint` gives it.

    Example:
        >>> BaseModel("Qwen/Qwen3-0.6B", weights_sha256="0" * 64).revision is None
        True
    """

    model: str
    weights_sha256: str
    revision: str | None = None


class ReaderTokenizer(Schema):
    """The tokenizer that a reader was trained on. names: the systems that its spec matches by name.

    Example:
        >>> ReaderTokenizer(spec="blind", identity={"class": "a:B"}, sha256="0" * 64).names
        {}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: str
    names: dict[str, str] = {}
    identity: dict[str, Any]
    sha256: str


class ReaderCheckpoint(Schema):
    """What `reader.json` holds.

    base: see `BaseModel`; None where the language model is in the folder. trains: what the last stage
    trained. files: SHA-256 of every file with weights. curve: of the losses. facts, card: plain data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    tokenizer: ReaderTokenizer
    base: dict[str, Any] | None
    trains: str
    template: str
    seed: int
    recipe: dict[str, Any]
    curve: list[dict[str, Any]]
    facts: dict[str, Any]
    card: dict[str, Any]
    caveats: list[str]
    files: dict[str, str]
