import math

import pytest
import torch

from benchmarks.understanding.scenes.targets import Targets, above_chance, answers_of, loss_of, scores_of
from vtok_eval.scenes.vocabulary import Attribute

TONE = Attribute("tone", "Tone", "static", "single", ("a", "b", "c", "d"))
MARKS = Attribute("marks", "Marks", "static", "multi", ("p", "q", "r", "s"))
ALL = (TONE, MARKS)


def test_a_guess_without_knowledge_has_loss_one():
    # Cross-entropy of four equal logits is log 4, divided by log 4; binary: every label costs log 2, the true
    # ones weigh 1 together and so do the false ones, 2 log 2 divided by 2 log 2.
    targets = Targets.of(ALL, [{"tone": "c", "marks": ["p"]}, {"tone": "a", "marks": ["q", "r", "s"]}])
    logits = {"tone": torch.zeros(2, 4), "marks": torch.zeros(2, 4)}
    assert float(loss_of(logits, targets)) == pytest.approx(1.0)


def test_loss_worked_out_by_hand():
    targets = Targets.of(ALL, [{"tone": "b", "marks": ["p"]}])
    tone, marks = torch.tensor([[0.0, 1.0, 0.0, 0.0]]), torch.tensor([[2.0, 0.0, 0.0, -1.0]])
    # tone: log(3 + e) - 1. marks: true p costs log(1 + e^-2) with weight 1; false q, r, s cost log 2, log 2
    # and log(1 + e^-1) with weight 1/3 each.
    expected_tone = (math.log(3 + math.e) - 1) / math.log(4)
    false = (2 * math.log(2) + math.log(1 + math.exp(-1))) / 3
    expected_marks = (math.log(1 + math.exp(-2)) + false) / (2 * math.log(2))
    loss = loss_of({"tone": tone, "marks": marks}, targets)
    assert float(loss) == pytest.approx((expected_tone + expected_marks) / 2, rel=1e-6)


def test_clips_that_an_attribute_does_not_apply_to_have_no_gradient():
    targets = Targets.of(ALL, [{"tone": "b", "marks": ["p"]}, {"marks": ["q"]}, {"tone": "a"}])
    logits = {"tone": torch.randn(3, 4, requires_grad=True), "marks": torch.randn(3, 4, requires_grad=True)}
    loss_of(logits, targets).backward()
    assert logits["tone"].grad.abs().sum(1).bool().tolist() == [True, False, True]
    assert logits["marks"].grad.abs().sum(1).bool().tolist() == [True, True, False]


def test_an_attribute_that_no_clip_of_the_batch_has_adds_nothing():
    targets = Targets.of(ALL, [{"tone": "b"}])
    loss = loss_of({"tone": torch.zeros(1, 4), "marks": torch.full((1, 4), 50.0)}, targets)
    assert float(loss) == pytest.approx(0.5)  # mean of 1 and 0


def test_answers_are_the_likeliest_label_and_all_labels_above_zero():
    logits = {
        "tone": torch.tensor([[0.1, 0.2, 0.9, 0.3], [5.0, 0, 0, 0]]),
        "marks": torch.tensor([[-1.0, 0.1, 2.0, 0.0], [-1, -1, -1, -1.0]]),
    }
    assert answers_of(logits, ALL) == [{"tone": "c", "marks": ("q", "r")}, {"tone": "a", "marks": ()}]


def test_scores_only_where_an_attribute_applies():
    answer = {"tone": "c", "marks": ("q", "r")}
    assert scores_of(answer, {"tone": "c"}, ALL) == {"tone": 1.0}
    # Truth q: named 1 of 1, avoided 2 of 3 false ones: (1 + 2/3) / 2.
    assert scores_of(answer, {"tone": "a", "marks": ["q"]}, ALL) == {
        "tone": 0.0,
        "marks": pytest.approx(5 / 6),
    }


def test_above_chance_is_zero_at_chance_and_one_when_perfect():
    assert above_chance({"tone": 0.25, "marks": 0.5}, ALL) == 0
    assert above_chance({"tone": 1.0, "marks": 1.0}, ALL) == 1
    assert above_chance({"tone": 0.625, "marks": 0.5}, ALL) == pytest.approx(0.25)
