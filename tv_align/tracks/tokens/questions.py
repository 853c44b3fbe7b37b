"""Questions as tensors: bags of words of single questions, and the questions that a probe is trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes.counterfactuals import Askable, askable
from tv_align.scenes.fact_questions import Fact, read
from tv_align.scenes.words import VOCABULARY, words_of
from vtok_eval.scenes.drawing import pick, stream
from vtok_eval.scenes.photos import SPLITS
from vtok_eval.scenes.scene import Scene

_STREAM = 5
"""Sets this randomness apart from the scenes' own (0 to 2) and that of other questions (3, 4)."""
_ROW_OF_WORD = {word: row for row, word in enumerate(VOCABULARY)}


def bags_of_words(questions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """What each question asks and what it claims, both `(Q, len(VOCABULARY))` float32.

    Raises:
        ValueError: a question in other words than `tv_align.scenes.fact_questions.ask` uses.
    """
    words = [words_of(fact) for fact in facts_in(questions)]
    return _bags([each.asked for each in words]), _bags([each.claimed for each in words])


def facts_in(questions: Sequence[str]) -> list[Fact]:
    """The facts that questions ask for, in order.

    Raises:
        ValueError: a question in other words than `tv_align.scenes.fact_questions.ask` uses.
    """
    found = []
    for question in questions:
        fact = read(question)
        if fact is None:
            raise ValueError(f"{question!r} is not in the scenes' vocabulary")
        found.append(fact)
    return found


def drawn_questions(scene: Scene, *, per_fact: int) -> list[tuple[str, Askable]]:
    """What a probe is asked about a training scene, with its category: of each type of fact up to `per_fact`,
    at random, the counterfactuals of each cut to one where each needs a separate look."""
    rng = stream(scene.version, scene.seed, SPLITS.index(scene.split), scene.index, _STREAM)
    found: list[tuple[str, Askable]] = []
    for category, facts in askable(scene).items():
        for kind in dict.fromkeys(type(each.true) for each in facts):
            rest = [each for each in facts if type(each.true) is kind]
            for _ in range(min(per_fact, len(rest))):
                chosen = pick(rng, rest)
                rest.remove(chosen)
                if _asked(chosen.true) != _asked(chosen.false[0]):
                    chosen = Askable(chosen.true, (pick(rng, chosen.false),))
                found.append((category, chosen))
    return found


@dataclass(frozen=True)
class QuestionTable:
    """Groups of questions about N clips: in each one that is true, first, and its counterfactuals.

    asked: `(U, W)` bool bags of words of everything that is asked; claimed: `(C, W)` of everything claimed.
    looks: `(N, Q)` int64 rows of `asked`: what is looked for in each clip.
    look, claim: `(N, G, K)` int64, column of `looks` and row of `claimed` of each question.
    there: `(N, G, K)` bool, whether there is such a question. weight: `(N, G)` float32, 0 where there is no
    group, 1 in all for each clip on average: every category weighs the same, and in it every type of fact.
    category: `(N, G)` int64, place in `CATEGORIES`, -1 where there is no group.
    """

    asked: Tensor
    claimed: Tensor
    looks: Tensor
    look: Tensor
    claim: Tensor
    there: Tensor
    weight: Tensor
    category: Tensor

    @classmethod
    def of(cls, scenes: Sequence[Scene], *, per_fact: int) -> QuestionTable:
        """The drawn questions of these scenes, in order."""
        clips = [drawn_questions(scene, per_fact=per_fact) for scene in scenes]
        asked: dict[tuple[str, ...], int] = {}
        claimed: dict[tuple[str, ...], int] = {}
        most = max((len(groups) for groups in clips), default=0)
        widest = max((1 + len(group.false) for groups in clips for _, group in groups), default=0)
        shape = (len(clips), most, widest)
        look, claim = (
            torch.zeros(shape, dtype=torch.int64, device="cpu"),
            torch.zeros(shape, dtype=torch.int64, device="cpu"),
        )
        there = torch.zeros(shape, dtype=torch.bool, device="cpu")
        category = torch.full(shape[:2], -1, device="cpu")
        kind = torch.full(shape[:2], -1, device="cpu")
        kinds: dict[str, int] = {}
        looks: list[list[int]] = []
        for row, groups in enumerate(clips):
            own: dict[int, int] = {}
            for column, (name, group) in enumerate(groups):
                category[row, column] = list(CATEGORIES).index(name)
                kind[row, column] = kinds.setdefault(type(group.true).__name__, len(kinds))
                for place, fact in enumerate((group.true, *group.false)):
                    words = words_of(fact)
                    what = asked.setdefault(words.asked, len(asked))
                    look[row, column, place] = own.setdefault(what, len(own))
                    claim[row, column, place] = claimed.setdefault(words.claimed, len(claimed))
                    there[row, column, place] = True
            looks.append(list(own))
        return cls(
            asked=_bags(list(asked)) > 0,
            claimed=_bags(list(claimed)) > 0,
            looks=torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(each, dtype=torch.int64, device="cpu") for each in looks], batch_first=True
            ),
            look=look,
            claim=claim,
            there=there,
            weight=_weights(category, kind),
            category=category,
        )


def _weights(category: Tensor, kind: Tensor) -> Tensor:
    """`(N, G)`: see `QuestionTable`; both arguments -1 where there is no group."""
    cell = torch.where(category >= 0, category * (int(kind.max()) + 1) + kind, -1)
    counts = torch.bincount(cell[cell >= 0])
    cells_of_category = torch.zeros(len(CATEGORIES), device="cpu")
    for number in counts.nonzero().flatten():
        cells_of_category[number // (int(kind.max()) + 1)] += 1
    n_categories = int((cells_of_category > 0).sum())
    cells = cells_of_category[category.clamp_min(0)].clamp_min(1)
    share = len(category) / (n_categories * cells * counts[cell.clamp_min(0)].clamp_min(1))
    return torch.where(cell >= 0, share, 0.0)


@lru_cache(maxsize=4096)
def _asked(fact: Fact) -> tuple[str, ...]:
    return words_of(fact).asked


def _bags(words: Sequence[Sequence[str]]) -> Tensor:
    bags = torch.zeros(len(words), len(VOCABULARY), device="cpu")
    for bag, own in zip(bags, words, strict=True):
        bag[[_ROW_OF_WORD[word] for word in own]] = 1.0
    return bags
