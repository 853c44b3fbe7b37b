from dataclasses import replace

import numpy as np
import torch
from sklearn.decomposition import PCA

from vtok_eval.data import TokenKind, Tokens
from vtok_eval.probes.features import ClipFeatures, Statistics, build_table
from vtok_eval.probes.preprocessing import Preprocessing


def table_of(n_clips=60, widths=(5, 20), seed=0, length=3):
    """Clips of two groups, the second of them of kind motion and of channels that hang together."""
    generator = torch.Generator().manual_seed(seed)
    clips = []
    mixing = torch.randn(widths[1], widths[1], generator=generator) * torch.linspace(2, 0.01, widths[1])
    for number in range(n_clips):
        first = Tokens.of(torch.randn(1, length, widths[0], generator=generator).half())
        values = torch.randn(1, 1 + number % length, widths[1], generator=generator) @ mixing.T
        second = Tokens.of(values.half(), kind=TokenKind.MOTION)
        clips.append(ClipFeatures((first, second), (None, None), bits=0.0))
    return build_table(clips, [str(number) for number in range(n_clips)])


def test_narrow_groups_are_standardised_only():
    table = table_of()
    fitted = Preprocessing.of(table, max_channels=20)
    assert fitted.directions == (None, None)
    assert fitted.widths == fitted.input_widths == (5, 20)
    expected = Statistics.of(table).standardise(table)
    for group, reference in zip(fitted.apply(table).groups, expected.groups, strict=True):
        assert torch.equal(group.values, reference.values)


def test_a_wide_group_is_reduced_as_scikit_learns_pca_does():
    table = table_of()
    fitted = Preprocessing.of(table, max_channels=6)
    assert (fitted.input_widths, fitted.widths) == ((5, 20), (5, 6))
    group = Statistics.of(table).standardise(table).groups[1]
    tokens = group.values[group.mask].float().numpy()
    reference = PCA(n_components=6, svd_solver="full").fit(tokens)
    expected = tokens @ reference.components_.T
    expected = expected / np.sqrt((expected**2).mean())
    group = fitted.apply(table).groups[1]
    found = group.values[group.mask].float().numpy()
    signs = np.sign((found * expected).sum(axis=0))
    assert np.allclose(found, expected * signs, atol=0.02)
    assert np.isclose((found**2).mean(), 1.0, atol=0.01)


def test_signs_are_fixed_and_the_same_clips_give_the_same_directions():
    first, second = (Preprocessing.of(table_of(), max_channels=6).directions[1] for _ in range(2))
    assert torch.equal(first, second)
    assert all(row[row.abs().argmax()] > 0 for row in first)


def test_padding_and_what_it_holds_do_not_matter():
    table = table_of()
    group = table.groups[1]
    garbage = torch.where(group.mask[:, :, None], group.values, torch.full_like(group.values, 77.0))
    spoilt = replace(table, groups=(table.groups[0], replace(group, values=garbage)))
    fitted, other = (Preprocessing.of(each, max_channels=4) for each in (table, spoilt))
    assert torch.equal(fitted.directions[1], other.directions[1])
    assert torch.equal(fitted.apply(table).groups[1].values, fitted.apply(spoilt).groups[1].values)
    assert not fitted.apply(table).groups[1].values[~group.mask].any()


def test_it_is_fitted_to_training_clips_and_only_applied_to_others():
    fitted = Preprocessing.of(table_of(), max_channels=4)
    kept = fitted.directions[1].clone()
    reduced = fitted.apply(table_of(n_clips=3, seed=9))
    assert reduced.groups[1].values.shape[2] == 4
    assert torch.equal(fitted.directions[1], kept)


def test_groups_without_tokens_or_variance_stay_finite():
    empty = build_table(
        [ClipFeatures((Tokens.of(torch.zeros(1, 0, 9).half()),), (None,), bits=0.0)] * 3, ["a", "b", "c"]
    )
    assert Preprocessing.of(empty, max_channels=4).widths == (4,)
    constant = build_table(
        [ClipFeatures((Tokens.of(torch.ones(1, 2, 9).half()),), (None,), bits=0.0)] * 3, ["a", "b", "c"]
    )
    assert Preprocessing.of(constant, max_channels=4).apply(constant).groups[0].values.isfinite().all()
