"""What the paper claims: read from claims.yaml and checked."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class ClaimKind(StrEnum):
    """How a claim is compared with a run."""

    DIFFERENCE = "difference"
    """VTok minus frame sampling, on a metric."""
    LEVEL = "level"
    """VTok's own score."""
    TOKEN_COUNT = "token-count"
    """Measured tokens against S + (T - 1)."""
    TOKEN_SHARE = "token-share"
    """Measured tokens against S x T."""


class Claim(BaseModel):
    """One claim.

    published: as a fraction; None where the claim has no number. published_text: as the paper writes it.
    place: where in the paper it is. benchmark: names of benchmarks it can be measured on. metrics: of these,
    the first that a run has; empty: the headline metric.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    claim: str
    published: float | None = None
    published_text: str
    place: str
    kind: ClaimKind
    benchmark: tuple[str, ...] = Field(min_length=1)
    metrics: tuple[str, ...] = ()

    @field_validator("benchmark", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _a_level_is_a_number(self) -> Self:
        if self.kind is ClaimKind.LEVEL and self.published is None:
            raise ValueError(f"{self.id}: a level needs the published number")
        return self


class Claims(BaseModel):
    """A paper's claims."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paper: str
    claims: tuple[Claim, ...]

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [claim.id for claim in self.claims]
        if len(set(ids)) != len(ids):
            raise ValueError("two claims have one id")
        return self


@cache
def published_claims() -> Claims:
    """The claims of the VTok paper."""
    import yaml

    text = files("reports.reproduce").joinpath("claims.yaml").read_text(encoding="utf-8")
    return Claims.model_validate(yaml.safe_load(text))
