"""Questions answered by kernel ridge regression on a clip's tokens: the second reader of the track `read`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tv_align.prompts.schema import CATEGORIES
from tv_align.scenes.counterfactuals import Askable
from tv_align.scenes.fact_questions import Fact
from tv_align.tracks.tokens.fact_space import FactSpace, Form
from vtok_eval.probes.features import FeatureTable
from vtok_eval.probes.ridge.kernel_ridge import PENALTIES, ClipVectors, Kernel, kernels_for
from vtok_eval.probes.training_clips.splits import Split

Drawn = Sequence[tuple[str, Askable]]
"""What a scene is asked, with its category: `questions.drawn_questions`."""


@dataclass(frozen=True)
class QuestionRidgeFit:
    """How the facts of one form are read: the kernel over clips and the penalty of the best validation score.

    coefficients: `(N, M)` float64, for each training clip and each of the space's eigenvectors.
    """

    space: FactSpace
    kernel: Kernel
    penalty: float
    coefficients: Tensor
    validation_score: float


@dataclass(frozen=True)
class QuestionRidge:
    """Kernel ridge regression of yes and no on a clip and a fact.

    The kernel of two questions is that of their clips times that of their facts (`FactSpace`); facts of
    different forms have nothing in common. A clip's target for a fact that holds is 1, for each of its k
    counterfactuals -1/k, and 0 for facts that it is not asked about, so that yes and no weigh the same; above
    0 is yes. As every clip has a target for every fact, the kernel matrix is a Kronecker product, and the
    solution is exact. For each form the clips' kernel (spatial tokens, motion tokens or both) and the penalty
    with the best validation score are kept, of equals the earlier kernel and the larger penalty.

    Source: Saunders, Gammerman and Vovk, Ridge Regression Learning Algorithm in Dual Variables, ICML 1998;
    Kronecker kernels: Pahikkala et al., Machine Learning 93 (2013).
    """

    vectors: ClipVectors
    fits: Mapping[Form, QuestionRidgeFit]
    validation_score: float

    @classmethod
    def fit(
        cls, training: Split, validation: Split, *, asked: Mapping[str, Sequence[Drawn]]
    ) -> QuestionRidge:
        """Fit to standardised training clips, with kernel and penalty chosen on the validation clips.

        asked: "train" and "validation", the questions by row; a split's labels name each clip's "row".
        """
        vectors = ClipVectors.of(training.table)
        held_out = ClipVectors.of(validation.table, vectors.places)
        within, across = vectors.squared_distances(vectors), held_out.squared_distances(vectors)
        of_training = _by_form([asked["train"][label["row"]] for label in training.labels])
        of_validation = _by_form([asked["validation"][label["row"]] for label in validation.labels])
        spaces = {form: FactSpace.of(form) for form in of_training}
        targets = {
            form: _targets(spaces[form], groups, vectors.n_clips) for form, groups in of_training.items()
        }
        fits: dict[Form, QuestionRidgeFit] = {}
        for kernel in kernels_for(within):
            gram = kernel.between(within, (vectors.n_clips, vectors.n_clips))
            eigenvalues, eigenvectors = torch.linalg.eigh(gram)
            eigenvalues = eigenvalues.clamp_min(0)
            seen = kernel.between(across, (held_out.n_clips, vectors.n_clips)) @ eigenvectors
            for form, space in spaces.items():
                rotated = eigenvectors.T @ targets[form]
                checked = _Checked.of(space, of_validation.get(form, []))
                for penalty in sorted(PENALTIES, reverse=True):
                    # (clips' eigenvalue x facts' eigenvalue + penalty)^-1, times the facts' eigenvalue.
                    shrunk = rotated * space.weights / (eigenvalues[:, None] * space.weights + penalty)
                    score = checked.score(seen @ shrunk)
                    if form not in fits or score > fits[form].validation_score:
                        fits[form] = QuestionRidgeFit(space, kernel, penalty, shrunk, score)
                if fits[form].kernel is kernel:
                    own = fits[form]
                    fits[form] = QuestionRidgeFit(
                        space, kernel, own.penalty, eigenvectors @ own.coefficients, own.validation_score
                    )
        scores = {form: fit.validation_score for form, fit in fits.items()}
        return cls(vectors, fits, _overall(scores, of_validation))

    def yes(self, table: FeatureTable, facts: Sequence[Fact]) -> list[bool]:
        """Whether each fact holds in the one clip of a table preprocessed like the training clips.

        A fact of a form that no training clip was asked about is denied.
        """
        clip = ClipVectors.of(table, self.vectors.places)
        distances = clip.squared_distances(self.vectors)
        found = []
        for fact in facts:
            fit = self.fits.get(Form.of(fact))
            if fit is None:
                found.append(False)
                continue
            near = fit.kernel.between(distances, (1, self.vectors.n_clips))
            logit = near @ fit.coefficients @ fit.space.vectors([fact])[0]
            found.append(float(logit) > 0)
        return found


_Group = tuple[int, str, Askable]
"""A clip's place in its split, the category, and the facts: one that holds, and its counterfactuals."""


def _by_form(drawn: Sequence[Drawn]) -> dict[Form, list[_Group]]:
    """The groups of questions about a split's clips, by the form of their facts."""
    found: dict[Form, list[_Group]] = {}
    for clip, groups in enumerate(drawn):
        for category, group in groups:
            found.setdefault(Form.of(group.true), []).append((clip, category, group))
    return found


def _targets(space: FactSpace, groups: Sequence[_Group], n_clips: int) -> Tensor:
    """`(N, M)` float64: each clip's targets of all facts, in the space's coordinates."""
    facts = [fact for _, _, group in groups for fact in (group.true, *group.false)]
    value = [v for _, _, group in groups for v in (1.0, *[-1 / len(group.false)] * len(group.false))]
    clips = [clip for clip, _, group in groups for _ in range(1 + len(group.false))]
    rows = space.vectors(facts) * torch.tensor(value, dtype=torch.float64, device="cpu")[:, None]
    found = torch.zeros(n_clips, len(space.cells), dtype=torch.float64, device="cpu")
    return found.index_add_(0, torch.tensor(clips, dtype=torch.int64, device="cpu"), rows)


@dataclass(frozen=True)
class _Checked:
    """Validation questions of one form: F facts.

    rows: `(F, M)`. clips: `(F,)`. holds: `(F,)` bool. share: `(F,)`, what each counts.
    """

    rows: Tensor
    clips: Tensor
    holds: Tensor
    share: Tensor

    @classmethod
    def of(cls, space: FactSpace, groups: Sequence[_Group]) -> _Checked:
        facts = [fact for _, _, group in groups for fact in (group.true, *group.false)]
        sizes = [len(group.false) for _, _, group in groups]
        clips = [clip for (clip, _, _), n in zip(groups, sizes, strict=True) for _ in range(n + 1)]
        holds = [first for n in sizes for first in (True, *[False] * n)]
        share = [part for n in sizes for part in (0.5, *[0.5 / n] * n)]
        return cls(
            space.vectors(facts),
            torch.tensor(clips, dtype=torch.int64, device="cpu"),
            torch.tensor(holds, dtype=torch.bool, device="cpu"),
            torch.tensor(share, dtype=torch.float64, device="cpu"),
        )

    def score(self, predicted: Tensor) -> float:
        """The mean over groups; a fact that holds weighs as much as its counterfactuals. 0 without questions.

        predicted: `(clips, M)`.
        """
        if not len(self.clips):
            return 0.0
        logits = (predicted[self.clips] * self.rows).sum(dim=1)
        right = (logits > 0) == self.holds
        return float((right * self.share).sum() / (self.holds.sum()))


def _overall(scores: Mapping[Form, float], asked: Mapping[Form, Sequence[_Group]]) -> float:
    """The mean over categories, in each over types of fact, as probes of this track are measured."""
    by_type: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for form, groups in asked.items():
        for category in {category for _, category, _ in groups}:
            n = sum(name == category for _, name, _ in groups)
            by_type.setdefault((category, form.name), []).append((scores.get(form, 0.0), n))
    means = {key: sum(s * n for s, n in own) / sum(n for _, n in own) for key, own in by_type.items()}
    own_scores = [[mean for (name, _), mean in means.items() if name == category] for category in CATEGORIES]
    filled = [values for values in own_scores if values]
    return sum(sum(values) / len(values) for values in filled) / len(filled) if filled else 0.0
