"""What readers will work on, told before clips are encoded: from texts and from tokenizers' own counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vtok_eval.answerers.training.conversations import Conversation
from vtok_eval.answerers.training.encoding import ConversationEncoder
from vtok_eval.answerers.training.needs import ReaderWork
from vtok_eval.data import Clips
from vtok_eval.errors import DataError, SpecError, VideoError
from vtok_eval.systems import CountingTokenizer

if TYPE_CHECKING:
    from vtok_eval.answerers.training.comparison import ReaderComparison, ReadTokenizer
    from vtok_eval.benchmark import ClipSource
    from vtok_eval.systems import Tokenizer

# Any: transformers' tokenizers, which have no types.

_SAMPLED = 1000
"""Conversations whose texts are encoded for a prediction."""
_LONGEST = 16
"""Frames of a clip whose length is not known, where no limit is set."""


def predict_work(comparison: ReaderComparison, systems: Sequence[ReadTokenizer]) -> list[ReaderWork]:
    """The work of a reader of each tokenizer.

    Text is measured on evenly spaced conversations; clips are taken to be as long as the data file allows.

    Raises:
        SpecError: the language model's tokenizer does not load.
    """
    data = comparison.data
    text, learnt = _mean_text(comparison, data.data.training)
    frames = _n_frames(comparison)
    works = []
    for system in systems:
        count, width, token_bytes = _tokens(system.tokenizer, frames, data.sources.values())
        works.append(
            ReaderWork(
                system.name,
                clips=0 if count == 0 else len(data.sources),
                visual=count,
                text=text,
                learnt=learnt,
                token_bytes=token_bytes,
                token_width=width,
            )
        )
    return works


def _tokens(tokenizer: Any, frames: int, sources: Iterable[ClipSource]) -> tuple[int, int, float]:
    """Tokens of a clip, their width as the reader is given them, and the bytes that a table keeps.

    A tokenizer that cannot tell encodes the first clip that can be loaded.
    """
    from vtok_eval.tokenizers.projection import ProjectedTokenizer

    width = getattr(tokenizer, "width", None)
    if not isinstance(tokenizer, CountingTokenizer) or not isinstance(width, int):
        return _encoded(tokenizer, sources)
    count = tokenizer.token_count(frames)
    if isinstance(tokenizer, ProjectedTokenizer) and tokenizer.trainable:
        channels = tokenizer.backbone.channels
        readings = tokenizer.readings(frames)
        return count, width, float(sum(2 * each.n_tokens * each.width(channels) for each in readings))
    return count, width, 2.0 * count * width


def _encoded(tokenizer: Tokenizer, sources: Iterable[ClipSource]) -> tuple[int, int, float]:
    for source in sources:
        try:
            clip = source.load()
        except VideoError:
            continue  # encoding reports it; the next one will do for a prediction
        tokens = tokenizer.encode(Clips.stack([clip]))
        count, width = int(tokens.count()[0]), int(tokens.values.shape[2])
        return count, width, 2.0 * count * width
    raise SpecError("no clip can be loaded: it cannot be told what its tokens take")


def _n_frames(comparison: ReaderComparison) -> int:
    forms = [getattr(source, "form", None) for source in comparison.data.sources.values()]
    limits = [getattr(source, "max_frames", None) for source in comparison.data.sources.values()]
    known = [form.n_frames for form in forms if form is not None] + [n for n in limits if n is not None]
    return max(known, default=_LONGEST)


def _mean_text(comparison: ReaderComparison, conversations: Sequence[Conversation]) -> tuple[float, float]:
    """Ids of a conversation, and those of them that are learnt, on average."""
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(comparison.model_folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(f"{comparison.model_folder} has no text tokenizer that loads: {reason}") from error
    ends = frozenset() if tokenizer.eos_token_id is None else frozenset({tokenizer.eos_token_id})
    encoder = ConversationEncoder(tokenizer, template=comparison.template, ends=ends)
    every = max(1, len(conversations) // _SAMPLED)
    texts = []
    for each in conversations[::every]:
        with contextlib.suppress(DataError):  # it is left out of the training, which says so
            texts.append(encoder.encode(each, shown=True))
    if not texts:
        raise SpecError("no conversation can be encoded: every one holds a special token of the model")
    return (
        sum(len(text.ids) for text in texts) / len(texts),
        sum(text.n_learnt for text in texts) / len(texts),
    )
