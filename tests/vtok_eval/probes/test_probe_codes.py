"""Probes on codes: what they learn, what they keep, and that a code book must not change between clips."""

import pytest
import torch

from vtok_eval.codes import Codes
from vtok_eval.data import Clips, Tokens
from vtok_eval.errors import TokenizerError
from vtok_eval.probes.artifact import load_reader, save_reader
from vtok_eval.probes.attentive import AttentiveProbe, JoinGroups, TokenReader
from vtok_eval.probes.features import build_table, extract_features
from vtok_eval.probes.known_codes import UNSEEN, CodeEmbedding, KnownCodes
from vtok_eval.probes.options.recipe import ReaderShape, Recipe
from vtok_eval.probes.preprocessing import Preprocessing
from vtok_eval.probes.training import measure_shape, train_reader

CPU = torch.device("cpu")
SIZES = (50, 7)


class Coder:
    """Codes of two quantisers that are the clip's first two pixel values."""

    def __init__(self, sizes=SIZES, embedding=None):
        self.sizes, self.embedding = sizes, embedding

    def encode(self, clips):
        codes = clips.frames[:, :, :2, 0, 0].long()
        return Tokens.codes(codes, codebook_size=self.sizes, embedding=self.embedding)


def clips_of(codes):
    """Clips whose pixels hold codes `(B, T, 2)`."""
    frames = torch.zeros(*codes.shape[:2], 3, 1, 1, dtype=torch.uint8)
    frames[:, :, :2, 0, 0] = codes.to(torch.uint8)
    return Clips(frames, torch.ones(len(codes), dtype=torch.float64))


def drawn(n=64, length=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(0, size, (n, length), generator=generator) for size in SIZES], dim=2)


def table_of(tokenizer, codes):
    return build_table(extract_features(tokenizer, clips_of(codes)), [str(i) for i in range(len(codes))])


def shape_of(tokenizer, table):
    return measure_shape(tokenizer, table, seed=0, device=CPU)


def test_features_hold_codes_and_their_bits():
    codes = drawn()
    learned, own = (
        extract_features(tokenizer, clips_of(codes))
        for tokenizer in (Coder(), Coder(embedding=[torch.randn(50, 4), torch.randn(7, 4)]))
    )
    for clip, row in zip(learned, codes, strict=True):
        assert clip.codes[0].stacked.equal(row[None])
        assert clip.bits == pytest.approx(3 * (torch.tensor(50.0).log2() + torch.tensor(7.0).log2()))
    # With vectors of its own, a tokenizer's codes are read as values, but counted as codes.
    assert learned[0].groups[0].coded is not None
    assert own[0].groups[0].coded is None
    assert own[0].codes[0].indices.equal(learned[0].codes[0].indices)
    assert own[0].widths == (4,)


def test_rows_are_the_training_clips_codes_and_one_for_all_others():
    known = KnownCodes((torch.tensor([2, 5, 49]), torch.tensor([0])))
    rows = known.rows(Codes(torch.tensor([[[5, 0], [3, 6], [49, 1]]]), sizes=SIZES))
    assert rows.stacked.tolist() == [[[2, 1], [UNSEEN, UNSEEN], [3, UNSEEN]]]
    assert rows.sizes == (4, 2)
    nothing = KnownCodes((torch.zeros(0, dtype=torch.int64),) * 2)
    assert not nothing.rows(Codes(torch.tensor([[[5, 0]]]), sizes=SIZES)).stacked.any()


def test_an_embedding_sums_its_quantisers_vectors_and_an_unseen_code_adds_nothing():
    torch.manual_seed(0)
    embedding = CodeEmbedding((4, 2), 512)
    first, second = (table.weight for table in embedding.tables)
    found = embedding(Codes(torch.tensor([[[3, 1], [0, 1], [0, 0]]]), sizes=(4, 2)))[0]
    assert torch.allclose(found[0], first[3] + second[1])
    assert torch.equal(found[1], second[1])
    assert not found[2].any()
    assert float(found[0].detach().var()) == pytest.approx(1 / 3, rel=0.2)
    found.sum().backward()
    assert not first.grad[0].any()


class Labels:
    """An `Objective`: is the first frame's first code an odd number?"""

    def __init__(self, table, codes):
        self.table, self.odd = table, codes[:, 0, 0] % 2

    @property
    def n_clips(self):
        return len(self.table)

    def loss(self, reader, index):
        return torch.nn.functional.cross_entropy(self.logits(reader, index), self.odd[index])

    def validate(self, reader):
        right = self.logits(reader, torch.arange(self.n_clips)).argmax(dim=1) == self.odd
        return float(right.double().mean()), {}

    def logits(self, reader, index):
        return reader(*self.table.select(index, device=CPU))["odd"]


def trained(tokenizer):
    codes, unseen = drawn(400), drawn(200, seed=1)
    table = table_of(tokenizer, codes)
    preprocessing = Preprocessing.of(table, max_channels=152)
    splits = [
        Labels(preprocessing.apply(each), own)
        for each, own in ((table, codes), (table_of(tokenizer, unseen), unseen))
    ]
    shape = shape_of(tokenizer, splits[0].table)
    recipe = Recipe(
        width=32, heads=4, n_frames=3, epochs=12, batch_size=32, optimizer="muon",
        learning_rates=(0.1,), weight_decay=0.1,
    )  # fmt: skip

    def build():
        probe = AttentiveProbe(shape.attention(recipe), n_classes={"odd": 2})
        return TokenReader(JoinGroups(), probe)

    reader = train_reader(
        build, splits[0], held_out=splits[1], preprocessing=preprocessing, shape=shape, recipe=recipe,
        seed=0, device=CPU, description="codes",
    )  # fmt: skip
    return reader, splits[1], build


def test_a_probe_learns_what_codes_mean_and_is_the_same_when_read_back(tmp_path):
    reader, validation, build = trained(Coder())
    assert reader.shape.vocabulary == (51, 8)
    # Whether a code is odd is not in its number's signs, nor in any order: it must be learned code by code.
    assert validation.validate(reader.reader)[0] > 0.95
    path = tmp_path / "probe.safetensors"
    save_reader(
        path, weights=reader.reader.state_dict(), preprocessing=reader.preprocessing, shape=reader.shape,
        history=reader.history, fingerprint="f", training="t",
    )  # fmt: skip
    kept = load_reader(path, fingerprint="f")
    assert kept.shape == reader.shape
    assert kept.preprocessing.books == (SIZES,)
    for ours, theirs in zip(
        kept.preprocessing.known_codes[0].codes, reader.preprocessing.known_codes[0].codes, strict=True
    ):
        assert ours.equal(theirs)
    again = build()
    again.load_state_dict(kept.weights)
    index = torch.arange(20)
    assert torch.equal(validation.logits(again.eval(), index), validation.logits(reader.reader, index))


def test_a_clip_is_read_the_same_alone_and_among_others():
    reader, _, _ = trained(Coder())
    codes = drawn(8, seed=3)
    together = reader.preprocessing.apply(table_of(Coder(), codes))
    for row in range(8):
        alone = reader.preprocessing.apply(table_of(Coder(), codes[row : row + 1]))
        groups, _ = together.select(torch.tensor([row]), device=CPU)
        assert alone.groups[0].indices.equal(groups[0].indices)


def test_the_probes_size_follows_the_training_clips_not_the_code_book():
    huge = Coder(sizes=(2**40, 2**20))
    table = table_of(huge, drawn())
    shape = shape_of(huge, Preprocessing.of(table).apply(table))
    assert max(shape.vocabulary) <= 51
    assert shape.token_width == 64
    assert isinstance(shape, ReaderShape)


def test_code_books_must_not_change_between_clips():
    first = extract_features(Coder(), clips_of(drawn(1)))
    for other, described in ((Coder((50, 8)), r"50 \+ 8"), (Coder((50, 50)), "2 x 50")):
        second = extract_features(other, clips_of(drawn(1)))
        with pytest.raises(TokenizerError, match=rf"code books .*: {described} in b, 50 \+ 7 in a"):
            build_table([*first, *second], ["a", "b"])

    class OneQuantiser(Coder):
        def encode(self, clips):
            return Tokens.codes(clips.frames[:, :, 0, 0, 0].long(), codebook_size=50)

    single = extract_features(OneQuantiser(), clips_of(drawn(1)))
    preprocessing = Preprocessing.of(build_table(first, ["a"]))
    with pytest.raises(TokenizerError, match=r"code books .*: 50 in b, 50 \+ 7 in training"):
        preprocessing.require_same_form(single, ["b"])


def test_values_and_codes_are_not_mixed_between_clips():
    class Values:
        def encode(self, clips):
            return Tokens.of(torch.zeros(len(clips), 3, 64))

    features = [extract_features(each, clips_of(drawn(1)))[0] for each in (Coder(), Values())]
    with pytest.raises(TokenizerError, match="code books must be the same for every clip: none in b"):
        build_table(features, ["a", "b"])
