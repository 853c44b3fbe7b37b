"""What a suite needs that pip does not bring: weights, training data, trained readers, disk, a GPU."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Need(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NeededWeights(_Need):
    """Weights that `vtok-eval fetch` gets. licence: as their publisher states it.

    Example:
        >>> NeededWeights(spec="hf:OWNER/NAME", licence="MIT").spec
        'hf:OWNER/NAME'
    """

    spec: str = Field(min_length=1)
    licence: str = Field(min_length=1)


class NeededData(_Need):
    """A data set for training.

    folder: below the folder of all data (`$VTOK_EVAL_DATA`, else `data` in the cache folder). files: patterns
    of files in it, each of which must match one at least. fetch: what a person has to do. size: in words.

    Example:
        >>> about = {"name": "a", "url": "u", "licence": "MIT", "size": "1 GB", "fetch": "download it"}
        >>> NeededData(**about, folder="a", files=("*.json",)).files
        ('*.json',)
    """

    name: str
    url: str
    licence: str
    folder: str
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    size: str
    fetch: str


class SuiteNeeds(_Need):
    """What a suite needs, apart from its benchmarks' own data, which these state themselves.

    extras: of vtok-eval. disk_gb: free space for weights, data and tokens together. gpu_memory_gb: of one
    GPU; 0 where a CPU will do. cost: what it takes, in sentences, each with what it was computed from.

    Example:
        >>> SuiteNeeds(extras=("hf",), disk_gb=20).gpu_memory_gb
        0
    """

    extras: tuple[str, ...] = ()
    weights: tuple[NeededWeights, ...] = ()
    data: tuple[NeededData, ...] = ()
    disk_gb: float = Field(default=0, ge=0)
    gpu_memory_gb: float = Field(default=0, ge=0)
    cost: tuple[str, ...] = ()
