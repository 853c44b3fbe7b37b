"""The facts of one form as vectors: what kernel ridge on questions takes two questions to have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import torch
from torch import Tensor

from tv_align.scenes.fact_questions import Fact
from tv_align.scenes.words import places_of

SHARED = 0.5
"""How alike two facts are that differ in the word at one place; 1 where they do not."""
MOST_TOGETHER = 3
"""At most this many places act together. In "the red star is left of the blue ring" five could."""


@dataclass(frozen=True)
class Form:
    """Facts that differ in their words only, such as every `SetsOut`.

    name: of the fact's class. places: what each place is called. words: all that it can be filled with.

    Example:
        >>> from tv_align.scenes.fact_questions import Goes
        >>> Form.of(Goes("fast")).words
        (('slow', 'medium', 'fast'),)
    """

    name: str
    places: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, fact: Fact) -> Form:
        """The form of a fact."""
        places = places_of(fact)
        return cls(
            type(fact).__name__,
            tuple(place.name for place in places),
            tuple(tuple(place.choices) for place in places),
        )


@dataclass(frozen=True)
class FactSpace:
    """A kernel between the facts of a form, by its eigenvectors.

    The kernel is the product over places of 1 where the words are equal and `SHARED` where not. It treats all
    words of a place alike, so that its eigenvectors are the interactions of an analysis of variance: the mean
    of all facts, what a word at one place adds, what two words add together, and so on; those of more than
    `MOST_TOGETHER` places are left out.

    bases: for each place `(w, w)` float64, orthonormal columns, the first of them constant. cells: `(M, P)`
    int64, for each eigenvector its column at each place. weights: `(M,)` float64, the eigenvalues.

    Example:
        >>> from tv_align.scenes.fact_questions import Goes
        >>> space = FactSpace.of(Form.of(Goes("fast")))
        >>> rows = space.vectors([Goes("fast"), Goes("slow")])
        >>> ((rows * space.weights) @ rows.T).round(decimals=6).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """

    form: Form
    bases: tuple[Tensor, ...]
    cells: Tensor
    weights: Tensor

    @classmethod
    def of(cls, form: Form) -> FactSpace:
        """The space of a form's facts."""
        sizes = [len(words) for words in form.words]
        cells = []
        for n_together in range(min(MOST_TOGETHER, len(sizes)) + 1):
            for chosen in combinations(range(len(sizes)), n_together):
                ranges = [range(1, size) if i in chosen else range(1) for i, size in enumerate(sizes)]
                cells += list(product(*ranges))
        found = torch.tensor(cells, dtype=torch.int64, device="cpu").reshape(len(cells), len(sizes))
        weights = torch.ones(len(found), dtype=torch.float64, device="cpu")
        for column, size in zip(found.T, sizes, strict=True):
            weights *= torch.where(column > 0, 1 - SHARED, 1 - SHARED + SHARED * size).double()
        return cls(form, tuple(_basis(size) for size in sizes), found, weights)

    def vectors(self, facts: Sequence[Fact]) -> Tensor:
        """Each fact's coordinates, `(F, M)` float64.

        Raises:
            ValueError: a fact of another form.
        """
        filled = [places_of(fact) for fact in facts]
        for fact, places in zip(facts, filled, strict=True):
            if (type(fact).__name__, tuple(place.name for place in places)) != (
                self.form.name,
                self.form.places,
            ):
                raise ValueError(f"{fact} is not of the form {self.form.name}{self.form.places}")
        vectors = torch.ones(len(facts), len(self.cells), dtype=torch.float64, device="cpu")
        for i, basis in enumerate(self.bases):
            at = {word: row for row, word in enumerate(self.form.words[i])}
            rows = torch.tensor([at[places[i].word] for places in filled], dtype=torch.int64, device="cpu")
            vectors *= basis[rows][:, self.cells[:, i]]
        return vectors


def _basis(size: int) -> Tensor:
    """Helmert's: column 0 is constant, column k compares word k with the words before it."""
    basis = torch.zeros(size, size, dtype=torch.float64, device="cpu")
    basis[:, 0] = size**-0.5
    for k in range(1, size):
        basis[:k, k] = 1.0
        basis[k, k] = -float(k)
        basis[:, k] /= (k * (k + 1)) ** 0.5
    return basis
