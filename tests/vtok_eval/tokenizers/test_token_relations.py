"""Which tokens contain which, as the built-in tokenizers declare what they read."""

from __future__ import annotations

from vtok_eval.results.self_checks import Relation, TokenRelation
from vtok_eval.systems import System
from vtok_eval.tokenizers.build import BuildContext, build_tokenizer, describe_tokenizer
from vtok_eval.tokenizers.relations import token_relations


def test_relations_of_the_built_in_tokenizers(context: BuildContext) -> None:
    specs = (
        "frames-1", "frames-2", "frames-4", "frames-8", "keyframe", "vtok:stride=1", "vtok:stride=2",
        "vtok:stride=1,residual=off", "frames-2:grid=2", "keyframe:key=middle", "blind",
    )  # fmt: skip
    systems = {}
    for spec in specs:
        tokenizer = build_tokenizer(spec, context)
        systems[spec] = System(spec, spec, "tokenizer", tokenizer, describe_tokenizer(tokenizer))
    found = token_relations(systems, {})
    same = {(r.larger, r.smaller) for r in found if r.relation is Relation.SAME}
    contains = {(r.larger, r.smaller) for r in found if r.relation is Relation.CONTAINS}
    assert same == {("frames-1", "keyframe")}
    first = [
        "frames-2",
        "frames-4",
        "frames-8",
        "vtok:stride=1",
        "vtok:stride=2",
        "vtok:stride=1,residual=off",
    ]
    expected = {(larger, smaller) for larger in first for smaller in ("frames-1", "keyframe")}
    # Both ends of the clip are among 4 and 8 evenly spaced frames; every second residual is among all.
    expected |= {("frames-4", "frames-2"), ("frames-8", "frames-2"), ("vtok:stride=1", "vtok:stride=2")}
    assert contains == expected


def test_declared_relations_stand_with_the_derived_ones(context: BuildContext) -> None:
    tokenizer = build_tokenizer("frames-2", context)
    systems = {
        "frames-2": System("frames-2", "frames-2", "tokenizer", tokenizer, describe_tokenizer(tokenizer))
    }
    declared = {"mine": ["frames-2"], "frames-2": ["other"]}
    assert token_relations(systems, declared) == [
        TokenRelation("mine", "frames-2"),
        TokenRelation("frames-2", "other"),
    ]
