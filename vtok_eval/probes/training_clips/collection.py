"""Runs a tokenizer once over the clips that a probe is trained on, and records the clips that fail."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from vtok_eval.benchmark import ClipRunner, NoResult, Sample
from vtok_eval.data import Clips
from vtok_eval.devices.deferred import Deferred
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.features import ClipFeatures, FeatureTable, begin_features, build_table
from vtok_eval.systems import Tokenizer
from vtok_eval.tokenizers.feature_cache import write_features
from vtok_eval.tokenizers.stored_clips import stored_clips

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collection:
    """The features of the clips of a split that a tokenizer could read, in the samples' order.

    labels: of those clips. failures: sample id -> reason, for the others.

    Example:
        >>> import torch
        >>> from vtok_eval.data import Tokens
        >>> table = FeatureTable((Tokens.of(torch.zeros(2, 3, 4).half()),), slot=torch.zeros(2, 3).long())
        >>> found = Collection(table, labels=[{"colour": 3}, {"colour": 1}], failures={"clip 2": "is empty"})
        >>> len(found.table), len(found.digest)
        (2, 64)
    """

    table: FeatureTable
    labels: Sequence[Mapping[str, object]]
    failures: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the features and of the ids of clips without features."""
        digest = hashlib.sha256(repr(sorted(self.failures)).encode())
        for group in self.table.groups:
            codes = () if group.coded is None else (group.indices,)
            for part in (group.values, group.mask, group.kind, group.frame, *codes):
                digest.update(f"{part.dtype} {tuple(part.shape)} ".encode())
                digest.update(part.contiguous().numpy().tobytes())
        return digest.hexdigest()


def collect(
    tokenizer: Tokenizer, samples: Sequence[Sample], runner: ClipRunner, *, description: str
) -> Collection:
    """Extract the features of all samples.

    Raises:
        TokenizerError: the tokenizer fails on every clip, or its tokens change width or code books between
            clips.

    Example:
        >>> import torch
        >>> from vtok_eval.run.runners.runner import Runner
        >>> from vtok_eval.scenes.dataset import SceneClip
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> clip = SceneClip(0, "train", 0, size=32, n_frames=2)
        >>> sample = Sample("clip 0", cluster="clip 0", clip=clip, target={"colour": 3})
        >>> runner = Runner(device=torch.device("cpu"), batch_size=1)
        >>> collect(Blind(), [sample], runner, description="clips").labels
        [{'colour': 3}]
    """
    features: dict[str, ClipFeatures] = {}
    failures: dict[str, str] = {}

    def extract(batch: Sequence[Sample], clips: Clips | None) -> Deferred[list[ClipFeatures]]:
        if clips is None:
            raise ValueError("these samples have no clips")
        return begin_features(tokenizer, clips)

    for sample, result in runner.map(
        samples, extract, description=description, unread=stored_clips(tokenizer)
    ):
        if isinstance(result, NoResult):
            failures[sample.id] = result.reason
        else:
            features[sample.id] = result
    write_features(tokenizer)
    if failures:
        _report(failures, n_samples=len(samples), description=description)
    # The runner's order depends on its batch size; a probe's training must not.
    read = [sample for sample in samples if sample.id in features]
    names = [sample.id for sample in read]
    return Collection(
        table=build_table([features[name] for name in names], names),
        labels=[sample.target for sample in read],
        failures={sample.id: failures[sample.id] for sample in samples if sample.id in failures},
    )


def _report(failures: Mapping[str, str], *, n_samples: int, description: str) -> None:
    first, reason = min(failures.items())
    if len(failures) == n_samples:
        raise TokenizerError(f"{description}: all {n_samples} clips failed; {first}: {reason}")
    log.warning(
        "%s: %d of %d clips failed and are left out of it; %s: %s",
        description, len(failures), n_samples, first, reason,
    )  # fmt: skip
