"""The tokens that readers are trained on: made once for each clip, then read from memory or from disk."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vtok_eval.benchmark import NoResult
from vtok_eval.data import Tokens
from vtok_eval.errors import TokenizerError

if TYPE_CHECKING:
    import torch

    from vtok_eval.benchmark import ClipRunner, Sample
    from vtok_eval.data import Clips
    from vtok_eval.devices.deferred import Deferred
    from vtok_eval.probes.features import ClipFeatures
    from vtok_eval.systems import Tokenizer

log = logging.getLogger(__name__)


@runtime_checkable
class TokenSource(Protocol):
    """Where a training takes the tokens of clips from.

    A tokenizer whose last step is a small projection that is to be trained gives its frozen features, in one
    group or several; any other tokenizer gives its tokens as one group.

    Example:
        >>> isinstance(TokensInMemory({}), TokenSource)
        True
    """

    @property
    def widths(self) -> tuple[int, ...]:
        """The width D of each group."""
        ...

    def of(self, clip: str) -> tuple[Tokens, ...]:
        """The groups of a clip: a batch of one each, float16 on the CPU, every place of the mask true.

        Raises:
            KeyError: the clip is not there.
        """
        ...

    def count(self, clip: str) -> int:
        """The clip's tokens: its positions in a language model's input.

        Raises:
            KeyError: the clip is not there.
        """
        ...


@dataclass(frozen=True)
class TokensInMemory:
    """A `TokenSource` of groups that are in memory, by clip.

    Example:
        >>> import torch
        >>> tokens = TokensInMemory({"a": (Tokens.of(torch.zeros(1, 31, 8)),)})
        >>> tokens.widths, tokens.count("a")
        ((8,), 31)
    """

    groups: Mapping[str, tuple[Tokens, ...]]

    @property
    def widths(self) -> tuple[int, ...]:
        """The width D of each group; empty where there are no clips."""
        first = next(iter(self.groups.values()), ())
        return tuple(int(group.values.shape[2]) for group in first)

    def of(self, clip: str) -> tuple[Tokens, ...]:
        """The groups of a clip."""
        return self.groups[clip]

    def count(self, clip: str) -> int:
        """The clip's tokens."""
        return sum(int(group.mask.sum()) for group in self.groups[clip])


@dataclass(frozen=True)
class CollectedTokens:
    """What a pass of a tokenizer over clips gave.

    tokens: by sample id. failures: sample id -> why the tokenizer has no tokens of its clip.

    Example:
        >>> CollectedTokens(TokensInMemory({}), {"a": "a.mp4: is empty"}).failures
        {'a': 'a.mp4: is empty'}
    """

    tokens: TokensInMemory
    failures: Mapping[str, str] = field(default_factory=dict)


def collect_tokens(
    tokenizer: Tokenizer, samples: Sequence[Sample], runner: ClipRunner, *, description: str
) -> CollectedTokens:
    """The tokens of each sample's clip, in memory; see `TokenSource` for what they are.

    Raises:
        TokenizerError: the tokenizer fails on every clip, or the tokens change their widths between clips.

    Example:
        >>> import torch
        >>> from vtok_eval.benchmark import Sample
        >>> from vtok_eval.run.runners.runner import Runner
        >>> from vtok_eval.scenes.dataset import SceneClip
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> clip = SceneClip(seed=0, split="train", index=0, size=32, n_frames=4)
        >>> runner = Runner(device=torch.device("cpu"))
        >>> samples = [Sample("a", cluster="a", clip=clip)]
        >>> found = collect_tokens(Blind(), samples, runner, description="blind")
        >>> found.tokens.count("a")
        0
    """
    found: dict[str, tuple[Tokens, ...]] = {}
    failures = encode_each(tokenizer, samples, runner, found.__setitem__, description=description)
    refuse_all_failed(failures, len(samples), description=description)
    return CollectedTokens(TokensInMemory(found), failures)


def encode_each(
    tokenizer: Tokenizer,
    samples: Sequence[Sample],
    runner: ClipRunner,
    keep: Callable[[str, tuple[Tokens, ...]], object],
    *,
    description: str,
) -> dict[str, str]:
    """Call `keep` with each sample's id and groups, as they come; returns why others have none, by id.

    Raises:
        TokenizerError: the tokens change their widths between clips.
    """
    from vtok_eval.probes.features import begin_features
    from vtok_eval.tokenizers.feature_cache import write_features
    from vtok_eval.tokenizers.stored_clips import stored_clips

    def extract(batch: Sequence[Sample], clips: Clips | None) -> Deferred[list[ClipFeatures]]:
        if clips is None:
            raise ValueError("these samples have no clips")
        return begin_features(tokenizer, clips)

    failures: dict[str, str] = {}
    widths: tuple[int, ...] | None = None
    for sample, result in runner.map(
        samples, extract, description=description, unread=stored_clips(tokenizer)
    ):
        if isinstance(result, NoResult):
            failures[sample.id] = result.reason
            continue
        if widths not in (None, result.widths):
            raise TokenizerError(
                f"{description}: the width of tokens must be the same for every clip: {result.widths} in "
                f"{sample.id}, {widths} before"
            )
        widths = result.widths
        keep(sample.id, tuple(present(group) for group in result.groups))
    write_features(tokenizer)
    return {sample.id: failures[sample.id] for sample in samples if sample.id in failures}


def refuse_all_failed(failures: Mapping[str, str], n_clips: int, *, description: str) -> None:
    """Refuse a tokenizer that has no tokens of any clip.

    Raises:
        TokenizerError: with the first reason.

    Example:
        >>> refuse_all_failed({"a": "is empty"}, 1, description="vtok")
        Traceback (most recent call last):
        vtok_eval.errors.TokenizerError: vtok: all 1 clips failed; a: is empty
    """
    if failures and len(failures) == n_clips:
        first, reason = min(failures.items())
        raise TokenizerError(f"{description}: all {n_clips} clips failed; {first}: {reason}")


def present(group: Tokens) -> Tokens:
    """The tokens of one clip that are under a true mask, as values.

    Example:
        >>> import torch
        >>> group = replace(Tokens.of(torch.ones(1, 2, 4)), mask=torch.tensor([[True, False]]))
        >>> present(group).values.shape
        torch.Size([1, 1, 4])
    """
    mask = group.mask[0]
    return replace(group.map(lambda tensor: tensor[:, mask]), coded=None)


def tokenizer_identity(tokenizer: Tokenizer) -> dict[str, object]:
    """What a tokenizer's tokens depend on: class, options, weights, and the version of what it reads.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> tokenizer_identity(Blind())["options"]
        {'width': 128}
    """
    from vtok_eval.tokenizers.build import describe_tokenizer
    from vtok_eval.tokenizers.reading import VERSION

    return {**describe_tokenizer(tokenizer).identity(), "reading_version": VERSION}


def identity_sha256(identity: Mapping[str, object]) -> str:
    """SHA-256 (hex) of an identity as JSON.

    Example:
        >>> identity_sha256({"class": "a:B"})[:8]
        '73a5ef87'
    """
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()


def matched_names(spec: str, names: Mapping[str, str]) -> dict[str, str]:
    """The systems that a spec matches by name: which systems the names mean is part of what it is.

    Example:
        >>> matched_names("frames:budget=match:ours", {"ours": "vtok", "theirs": "frames-4"})
        {'ours': 'vtok'}
    """
    return {name: system for name, system in names.items() if f"match:{name}" in spec}


def build_reader_tokenizer(spec: str, device: torch.device, names: Mapping[str, str]) -> Tokenizer:
    """The tokenizer that a spec names, its features through the user's cache.

    Raises:
        SpecError, UnknownNameError, MissingDependencyError: as `build_tokenizer`.

    Example:
        >>> import torch
        >>> build_reader_tokenizer("blind:width=8", torch.device("cpu"), {}).width
        8
    """
    from vtok_eval.files.cache_folder import cache_folder
    from vtok_eval.tokenizers.build import BuildContext, build_tokenizer
    from vtok_eval.tokenizers.feature_cache import FeatureCache

    features = FeatureCache(cache_folder() / "features")
    return build_tokenizer(spec, BuildContext(device=device, cache=features, names=names))
