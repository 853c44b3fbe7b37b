"""Tokens that are codes: what they are read as, their bits, and every way to give them wrongly."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vtok_eval.codes import Codes, describe_sizes, random_signs
from vtok_eval.data import Tokens, check_tokens
from vtok_eval.errors import TokenizerError

_MASK = (1 << 64) - 1


def split_mix(seed: int, n: int) -> list[int]:
    """The first n outputs of SplitMix64, after the reference C code's arithmetic."""
    outputs = []
    for _ in range(n):
        seed = (seed + 0x9E3779B97F4A7C15) & _MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        outputs.append(z ^ (z >> 31))
    return outputs


def test_the_reference_generator_gives_its_published_numbers():
    # The widely quoted outputs for seed 1234567.
    assert split_mix(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("quantiser", [0, 1, 7])
def test_a_codes_signs_are_the_bits_of_split_mix(quantiser):
    seed = split_mix(20260204, quantiser + 1)[-1]
    found = random_signs(torch.arange(5), quantiser=quantiser)
    for row, output in zip(found, split_mix(seed, 5), strict=True):
        assert [int(sign > 0) for sign in row] == [(output >> place) & 1 for place in range(64)]


def test_signs_of_different_codes_are_as_far_apart_as_coin_tosses():
    signs = random_signs(torch.arange(400), quantiser=0)
    other = random_signs(torch.arange(400), quantiser=1)
    apart = (signs[:, None] != signs[None]).sum(dim=2).float()[~torch.eye(400, dtype=torch.bool)]
    assert abs(float(apart.mean()) - 32) < 0.1
    assert abs(float(apart.std()) - 4) < 0.1
    assert float(apart.min()) > 8
    assert abs(float((signs != other).sum(dim=1).float().mean()) - 32) < 1


def test_a_token_is_the_sum_of_its_codes_vectors():
    tables = [torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]), torch.tensor([[10.0, 20.0], [30.0, 40.0]])]
    codes = torch.tensor([[[1, 1], [2, 0]]])
    tokens = Tokens.codes(codes, codebook_size=(3, 2), embedding=tables)
    assert tokens.values.tolist() == [[[31.0, 42.0], [13.0, 24.0]]]
    assert tokens.indices is codes
    check_tokens(tokens, n_clips=1)
    plain = Tokens.codes(codes, codebook_size=(3, 2))
    expected = random_signs(codes[..., 0], quantiser=0) + random_signs(codes[..., 1], quantiser=1)
    assert torch.equal(plain.values, expected)
    stacked = torch.stack([torch.eye(3), 2 * torch.eye(3)])
    assert Tokens.codes(codes, codebook_size=3, embedding=stacked).values[0, 0].tolist() == [0.0, 3.0, 0.0]


@given(
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=4),
    length=st.integers(0, 9),
)
def test_bits_are_the_logarithms_of_the_code_books(sizes, length):
    tokens = Tokens.codes(torch.zeros(2, length, len(sizes), dtype=torch.int64), codebook_size=sizes)
    assert tokens.bits().tolist() == pytest.approx([length * math.log2(math.prod(sizes))] * 2)


def test_bits_by_hand():
    # FSQ with levels 8, 8, 8, 5, 5, 5: 64,000 entries, log2 of which is 15.966.
    fsq = Tokens.codes(torch.zeros(1, 10, dtype=torch.int64), codebook_size=64_000)
    assert float(fsq.bits()) == pytest.approx(159.66, abs=0.01)
    mask = torch.tensor([[True, False, True], [True, True, True]])
    ragged = Tokens.codes(torch.full((2, 3), -1).where(~mask, 3), codebook_size=4, mask=mask)
    assert ragged.bits().tolist() == [4.0, 6.0]
    assert Tokens.of(torch.zeros(1, 5, 3, dtype=torch.float16)).bits().tolist() == [5 * 3 * 16]
    assert Tokens.of(torch.zeros(1, 5, 3, dtype=torch.float64)).bits().tolist() == [5 * 3 * 64]


def test_codes_survive_joining_and_cutting():
    first = Tokens.codes(torch.tensor([[0, 1]]), codebook_size=9)
    second = Tokens.codes(torch.tensor([[7]]), codebook_size=9)
    joined = Tokens.concatenate([first, second])
    assert joined.indices.tolist() == [[0, 1, 7]]
    check_tokens(joined, n_clips=1)
    assert joined.part(1, 3).indices.tolist() == [[1, 7]]
    assert Tokens.batch([joined, joined]).indices.tolist() == [[0, 1, 7]] * 2
    for other in (Tokens.codes(torch.tensor([[7]]), codebook_size=8), Tokens.of(torch.zeros(1, 1, 64))):
        with pytest.raises(TokenizerError, match="codes of the same code books only"):
            Tokens.concatenate([first, other])


def test_code_books_in_words():
    assert [describe_sizes(sizes) for sizes in ((1024,), (8, 8), (8, 4))] == ["1024", "2 x 8", "8 + 4"]


def codes(shape=(2, 3), value=0, dtype=torch.int64):
    return torch.full(shape, value, dtype=dtype)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (codes(value=8), {"codebook_size": 8}),
            r"codes must be 0 to 7, for codebook_size 8: 8 is too large",
        ),
        (
            (codes(value=-1), {"codebook_size": 8}),
            "codes must be 0 to 7, for codebook_size 8: -1 is negative",
        ),
        (
            (torch.tensor([[[0, 9]]]), {"codebook_size": 8}),
            "codes of quantiser 1 must be 0 to 7, for codebook_size 8: 9 is too large",
        ),
        (
            (codes(dtype=torch.int32), {"codebook_size": 8}),
            r"codes must be int64, not torch.int32; write codes.long\(\)",
        ),
        (
            (codes(dtype=torch.float32), {"codebook_size": 8}),
            r"codes must be int64, not torch.float32; Tokens.of\(values\) takes floating-point values",
        ),
        ((codes((5,)), {"codebook_size": 8}), r"codes must be \(B, L\) or \(B, L, Q\), not \(5,\)"),
        (
            (codes((2, 3, 1, 1)), {"codebook_size": 8}),
            r"codes must be \(B, L\) or \(B, L, Q\), not \(2, 3, 1, 1\)",
        ),
        (
            (codes((2, 3, 2)), {"codebook_size": (8, 8, 8)}),
            r"codebook_size must be one number, or one for each of the 2 quantisers of .* it has 3",
        ),
        ((codes(), {"codebook_size": ()}), "one for each of the 1 quantisers .*; it has 0"),
        ((codes(), {"codebook_size": 0}), "codebook_size must be a whole number of at least 1, not 0"),
        ((codes(), {"codebook_size": (8.0,)}), "codebook_size must be a whole number of at least 1, not 8.0"),
        (
            (codes(), {"codebook_size": 8, "embedding": torch.zeros(7, 4)}),
            r"embedding must be \(8, D\) for a code book of 8 entries, not \(7, 4\)",
        ),
        (
            (codes((2, 3, 2)), {"codebook_size": 8, "embedding": [torch.zeros(8, 4), torch.zeros(8, 5)]}),
            r"embedding of quantiser 1 must be \(8, 4\) for a code book of 8 entries, not \(8, 5\)",
        ),
        (
            (codes((2, 3, 2)), {"codebook_size": 8, "embedding": torch.zeros(8, 4)}),
            "embedding must have one table for each of 2 quantisers, not 1",
        ),
        (
            (codes(), {"codebook_size": 8, "embedding": codes((8, 4))}),
            "embedding must be floating point, not torch.int64",
        ),
        (
            (codes(), {"codebook_size": 8, "mask": torch.ones(2, 4, dtype=torch.bool)}),
            r"codes \(2, 3\) must have one row for each token of the mask \(2, 4\)",
        ),
    ],
)
def test_codes_given_wrongly_are_refused_in_one_line(arguments, message):
    given_codes, options = arguments
    with pytest.raises(TokenizerError, match=message) as caught:
        Tokens.codes(given_codes, **options)
    assert "\n" not in str(caught.value)


def test_the_protocol_refuses_what_does_not_fit_together():
    sound = Tokens.codes(codes(), codebook_size=8)
    check_tokens(sound, n_clips=2)
    with pytest.raises(TokenizerError, match=r"codes must be \(3, L, Q\), not \(2, 3\)"):
        check_tokens(sound, n_clips=3)
    volume = Tokens.codes(codes(), codebook_size=8, latent_shape=(1, 2, 2))
    with pytest.raises(TokenizerError, match=r"latent_shape \(1, 2, 2\) must be .* = 3 tokens"):
        check_tokens(volume, n_clips=2)
    both = Tokens(torch.zeros(2, 3, 4), sound.mask, sound.kind, sound.frame, coded=Codes(codes(), sizes=(8,)))
    with pytest.raises(TokenizerError, match="tokens have both values and codes"):
        check_tokens(both, n_clips=2)
    negative = Tokens(sound.values, sound.mask, sound.kind, sound.frame, coded=Codes(codes(value=-2), (8,)))
    with pytest.raises(TokenizerError, match="-2 is negative"):
        check_tokens(negative, n_clips=2)
    with pytest.raises(TokenizerError, match=r"not torch\.int64; codes are given as Tokens\.codes"):
        check_tokens(Tokens.of(codes((2, 3, 4))), n_clips=2)
    with pytest.raises(TokenizerError, match="these tokens are values, not codes"):
        _ = Tokens.of(torch.zeros(1, 2, 3)).indices
