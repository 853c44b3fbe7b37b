"""Kernel ridge on questions: against the plain solution with the full kernel matrix, and on planted truth."""

from __future__ import annotations

from itertools import combinations, product

import pytest
import torch

from tv_align.scenes.counterfactuals import Askable
from tv_align.scenes.fact_questions import Goes, InQuadrant, SetsOut, ShapeKind, Stands, Takes
from tv_align.tracks.tokens.fact_space import SHARED, FactSpace, Form
from tv_align.tracks.tokens.ridge import QuestionRidge
from vtok_eval.data import Tokens
from vtok_eval.probes.features import ClipFeatures, build_table
from vtok_eval.probes.training_clips.splits import Split


@pytest.mark.parametrize(
    "form", [Form.of(Goes("fast")), Form.of(InQuadrant(ShapeKind("red", "ring"), "top left"))]
)
def test_the_space_is_the_product_kernel_of_words(form):
    """All facts of up to three places: 1 for equal words, `SHARED` for others, multiplied over the places."""
    space = FactSpace.of(form)
    facts = [
        Goes(*words) if form.name == "Goes" else InQuadrant(ShapeKind(words[0], words[1]), words[2])
        for words in product(*form.words)
    ]
    rows = space.vectors(facts)
    given = (rows * space.weights) @ rows.T
    words = list(product(*form.words))
    expected = torch.tensor(
        [[SHARED ** sum(x != y for x, y in zip(a, b, strict=True)) for b in words] for a in words],
        dtype=torch.float64,
    )
    assert torch.allclose(given, expected)
    assert torch.allclose(rows @ rows.T, torch.eye(len(words), dtype=torch.float64), atol=1e-9)


def test_of_five_places_only_three_act_together():
    space = FactSpace.of(Form.of(Stands(ShapeKind("red", "star"), "left", ShapeKind("blue", "ring"))))
    assert int((space.cells > 0).sum(dim=1).max()) == 3
    # 1 mean, and of places with 8, 6, 4, 8 and 6 words what one, two and three add:
    sizes = (7, 5, 3, 7, 5)
    pairs = sum(a * b for a, b in combinations(sizes, 2))
    threes = sum(
        a * b * c
        for i, a in enumerate(sizes)
        for j, b in enumerate(sizes[i + 1 :], i + 1)
        for c in sizes[j + 1 :]
    )
    assert len(space.cells) == 1 + sum(sizes) + pairs + threes


def test_a_fact_of_another_form_is_refused():
    with pytest.raises(ValueError, match="not of the form Goes"):
        FactSpace.of(Form.of(Goes("fast"))).vectors([Takes("circle")])


def test_it_is_the_plain_solution_over_pairs_of_clip_and_fact(planted_split):
    """(K_clips x K_facts + penalty)^-1 y over all pairs, pairs that are not asked with the target 0."""
    training, validation, asked = planted_split
    reader = QuestionRidge.fit(training, validation, asked=asked)
    form = Form.of(Goes("fast"))
    fit = reader.fits[form]
    facts = [Goes(word) for word in form.words[0]]
    n = len(training.table)
    gram = fit.kernel.between(reader.vectors.squared_distances(reader.vectors), (n, n))
    between = torch.tensor([[1.0 if a == b else SHARED for b in facts] for a in facts], dtype=torch.float64)
    target = torch.zeros(n, len(facts), dtype=torch.float64)
    for clip, groups in enumerate(asked["train"]):
        for _, group in groups:
            if isinstance(group.true, Goes):
                target[clip, facts.index(group.true)] += 1
                for other in group.false:
                    target[clip, facts.index(other)] -= 1 / len(group.false)
    whole = torch.kron(gram, between)
    weights = torch.linalg.solve(
        whole + fit.penalty * torch.eye(len(whole), dtype=torch.float64), target.flatten()
    )
    expected = (whole @ weights).view(n, len(facts))
    given = gram @ fit.coefficients @ fit.space.vectors(facts).T
    assert torch.allclose(given, expected, atol=1e-8)


@pytest.fixture
def planted_split():
    """Clips whose first channel says the speed, and questions about speed and direction."""
    speeds = ("slow", "medium", "fast")
    rows, questions = {}, {}
    for split, n, seed in (("train", 24, 0), ("validation", 12, 1)):
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(n, 1, 2, generator=generator)
        drawn = []
        for clip in range(n):
            speed = speeds[clip % 3]
            values[clip, 0, 0] = 4.0 * (clip % 3) - 4
            kind = ShapeKind("red", "ring")
            drawn.append(
                [
                    (
                        "manner",
                        Askable(Goes(speed), tuple(Goes(other) for other in speeds if other != speed)),
                    ),
                    ("direction", Askable(SetsOut(kind, "left"), (SetsOut(kind, "right"),))),
                ]
            )
        clips = [ClipFeatures((Tokens.of(row[None].half()),), (None,), bits=0.0) for row in values]
        rows[split] = Split(build_table(clips, [str(i) for i in range(n)]), [{"row": i} for i in range(n)])
        questions[split] = drawn
    return rows["train"], rows["validation"], questions


def test_reads_planted_speed(planted_split):
    training, validation, asked = planted_split
    reader = QuestionRidge.fit(training, validation, asked=asked)
    assert reader.validation_score == 1.0
    one = validation.first(1).table
    facts = [Goes("slow"), Goes("medium"), Goes("fast"), Takes("circle")]
    # A form that training never asked about is denied.
    assert reader.yes(one, facts) == [True, False, False, False]
