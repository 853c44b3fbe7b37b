import itertools
from dataclasses import replace

import pytest
import torch

from vtok_eval.data import TokenKind, Tokens
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.attentive import AttentionShape, AttentiveProbe, JoinGroups, TokenReader, project
from vtok_eval.probes.optimizers import StackedMuon, make_optimizers
from vtok_eval.probes.options.recipe import Recipe
from vtok_eval.probes.training import warm_cosine


def probe_of(token_width=6, n_slots=4):
    torch.manual_seed(0)
    sizes = {"one": 3, "two": 5}
    shape = AttentionShape(token_width=token_width, n_slots=n_slots, n_frames=8, width=16, heads=4)
    return AttentiveProbe(shape, n_classes=sizes).eval()


def tokens_of(batch=2, length=5, width=6):
    generator = torch.Generator().manual_seed(1)
    tokens = Tokens.of(torch.randn(batch, length, width, generator=generator), frame=torch.arange(length))
    return tokens, torch.zeros(batch, length, dtype=torch.int64)


def test_logits_have_one_column_per_label():
    logits = probe_of()(*tokens_of())
    assert {name: tuple(rows.shape) for name, rows in logits.items()} == {"one": (2, 3), "two": (2, 5)}


def test_order_of_tokens_does_not_matter_but_their_place_does():
    probe, (tokens, slot) = probe_of(), tokens_of()
    before = probe(tokens, slot)["two"]
    order = torch.tensor([3, 0, 4, 1, 2])
    shuffled = Tokens(
        tokens.values[:, order], tokens.mask[:, order], tokens.kind[:, order], tokens.frame[:, order]
    )
    assert torch.allclose(probe(shuffled, slot[:, order])["two"], before, atol=1e-6)
    for moved in (
        (Tokens(tokens.values, tokens.mask, tokens.kind, tokens.frame.flip(1)), slot),
        (Tokens(tokens.values, tokens.mask, tokens.kind + TokenKind.MOTION, tokens.frame), slot),
        (tokens, slot + 2),
    ):
        assert not torch.allclose(probe(*moved)["two"], before, atol=1e-3)


def test_masked_tokens_are_as_if_they_were_not_there():
    probe, (tokens, slot) = probe_of(), tokens_of()
    mask = tokens.mask.clone()
    mask[:, 3:] = False
    masked = probe(Tokens(tokens.values, mask, tokens.kind, tokens.frame), slot)["one"]
    short = Tokens(tokens.values[:, :3], mask[:, :3], tokens.kind[:, :3], tokens.frame[:, :3])
    assert torch.allclose(masked, probe(short, slot[:, :3])["one"], atol=1e-6)
    assert not torch.allclose(masked, probe(tokens, slot)["one"], atol=1e-3)


def test_no_tokens_at_all_give_the_same_finite_answer_for_every_clip():
    logits = probe_of()(*tokens_of(batch=3, length=0))["one"]
    assert logits.isfinite().all()
    assert torch.equal(logits[0], logits[1])


def test_attention_equals_torchs_own():
    probe = probe_of()
    embedded = torch.randn(2, 7, 16, generator=torch.Generator().manual_seed(2))
    present = torch.tensor([[True] * 7, [True, True, False, True, False, True, True]])
    theirs = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([torch.eye(16), probe.key.weight, probe.value.weight]))
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(probe.merge_heads.weight)
        theirs.out_proj.bias.copy_(probe.merge_heads.bias)
    queries = probe.queries.expand(2, -1, -1)
    expected, _ = theirs(queries, embedded, embedded, key_padding_mask=~present)
    assert torch.allclose(probe._attend(embedded, present, probe.queries), expected, atol=1e-5)


def test_slots_beyond_those_of_training_share_the_last():
    probe, (tokens, slot) = probe_of(n_slots=4), tokens_of()
    assert torch.equal(probe(tokens, slot + 3)["one"], probe(tokens, slot + 50)["one"])


def test_a_projection_must_give_one_token_per_feature_token():
    tokens, _ = tokens_of()
    assert torch.equal(project(JoinGroups(), (tokens, tokens)).values[:, 5:], tokens.values)
    with pytest.raises(TokenizerError, match=r"must give Tokens of \(2, 5\) tokens, not \(2, 10, 6\)"):
        project(_Twice(), (tokens,))


class _Twice(torch.nn.Module):
    def forward(self, groups):
        return Tokens.concatenate([*groups, *groups])


RECIPE = Recipe(
    width=16,
    heads=4,
    n_frames=8,
    epochs=1,
    batch_size=4,
    optimizer="muon",
    learning_rates=(0.01,),
    weight_decay=0.1,
)


UNDECAYED = replace(RECIPE, weight_decay=0.0)


def test_every_parameter_has_one_optimizer():
    reader = TokenReader(torch.nn.Linear(3, 3), probe_of())
    optimizers = make_optimizers(reader, recipe=RECIPE, learning_rate=0.01)
    held = [id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in reader.parameters())
    assert type(optimizers[0]) is StackedMuon


def test_a_step_changes_what_a_wide_and_a_narrow_map_give_equally_much():
    # Muon's step of a matrix is nearly orthogonal: singular values of about 1, scaled by sqrt(16 / inputs).
    # Standardised inputs have the length sqrt(inputs), so the outputs move by sqrt(16), whatever the width.
    moved = []
    for inputs in (32, 512):
        torch.manual_seed(0)
        reader = TokenReader(torch.nn.Linear(inputs, 16, bias=False), probe_of())
        before = reader.projection.weight.detach().clone()
        optimizers = make_optimizers(reader, recipe=UNDECAYED, learning_rate=0.01)
        reader.projection.weight.grad = torch.randn(16, inputs)
        optimizers[0].step()
        step = (reader.projection.weight.detach() - before) / 0.01
        moved.append(torch.linalg.matrix_norm(step, ord=2) * inputs**0.5)
    assert moved[0] == pytest.approx(4, rel=0.4)
    assert moved[1] == pytest.approx(4, rel=0.4)


def test_weight_decay_is_the_same_for_wide_and_narrow_maps():
    reader = TokenReader(torch.nn.Linear(512, 16), probe_of())
    muon, adamw = make_optimizers(reader, recipe=RECIPE, learning_rate=0.01)
    assert all(g["lr"] * g["weight_decay"] == pytest.approx(0.001) for g in muon.param_groups)
    assert all(group["weight_decay"] == 0 for group in adamw.param_groups)


def test_learning_rate_rises_then_falls_to_zero():
    factors = [warm_cosine(step, 100) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)  # warm-up is a tenth: 10 steps
    assert factors[9] == factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)  # half of the remaining 90 steps
    assert factors[100] == pytest.approx(0.0, abs=1e-12)
    assert all(a >= b for a, b in itertools.pairwise(factors[10:]))


def test_a_probe_names_its_own_tables():
    probe = probe_of()
    tables = {id(table) for table in probe.tables()}
    names = {name for name, value in probe.named_parameters() if id(value) in tables}
    heads = {name for name, _ in probe.named_parameters() if name.startswith("classifiers.")}
    assert names == {"embed_place.weight", "queries", "null_token"} | heads


def test_a_table_of_a_probe_outside_the_core_is_learnt_by_adamw_and_never_decayed():
    class Worded(type(probe_of())):
        def tables(self):
            yield from super().tables()
            yield self.words

    probe = probe_of()
    probe.words = torch.nn.Parameter(torch.ones(5, 16))
    for kind, expected in ((type(probe), True), (Worded, False)):
        probe.__class__ = kind
        reader = TokenReader(JoinGroups(), probe)
        muon, adamw = make_optimizers(reader, recipe=RECIPE, learning_rate=0.01)
        by_muon = [value for group in muon.param_groups for value in group["params"]]
        assert any(value is probe.words for value in by_muon) is expected
        assert all(group["weight_decay"] == 0 for group in adamw.param_groups)
