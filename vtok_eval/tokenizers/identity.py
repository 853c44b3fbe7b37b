"""When two tokenizers are the same: a key of everything that the tokens of clips of one length depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Protocol, cast, runtime_checkable

from vtok_eval.systems import System
from vtok_eval.tokenizers.reading import TokenFacts

_DESCRIBED_BY = ("class", "options", "backbone", "checkpoint_sha256", "source_sha256")
_IF_THERE = ("sources", "files", "state_sha256", "objects")
"""Left out where there are none, so that such tokenizers keep the key by which decoders know them."""
_OWN_CODE = "vtok_eval.tokenizers."


@runtime_checkable
class TellsTokenFacts(Protocol):
    """A tokenizer that can say what its tokens depend on.

    Example:
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> isinstance(Blind(), TellsTokenFacts)  # it reads nothing, and so is identified by its class
        False
    """

    def token_facts(self, n_frames: int) -> TokenFacts:
        """Equal for two tokenizers only if they give equal tokens of every clip of `n_frames` frames."""
        ...


def tokens_key(system: System, *, n_frames: int) -> str:
    """A key in hex: two tokenizers share it only if they give equal tokens of all clips of that length.

    `frames-1` and `keyframe` share one, since both are the cells of the first frame. Only this package's own
    classes are trusted to say what their tokens depend on; a user's class, whatever its bases, is identified
    by its class, options, backbone, weights and source files.

    Example:
        >>> from vtok_eval.results.description import Description
        >>> from vtok_eval.tokenizers.controls import Blind
        >>> blind = Description(facts={"class": "vtok_eval.tokenizers.controls:Blind"})
        >>> one = System("a", "blind", "tokenizer", Blind(), blind)
        >>> other = System("b", "blind", "tokenizer", Blind(), blind)
        >>> tokens_key(one, n_frames=16) == tokens_key(other, n_frames=16)
        True
    """
    facts: Mapping[str, object]
    if type(system.subject).__module__.startswith(_OWN_CODE) and isinstance(system.subject, TellsTokenFacts):
        # A TypedDict is a mapping, which mypy does not grant it.
        facts = cast("Mapping[str, object]", system.subject.token_facts(n_frames))
    else:
        facts = {name: system.description.get(name) for name in _DESCRIBED_BY}
        facts |= {name: system.description.get(name) for name in _IF_THERE if name in system.description}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
