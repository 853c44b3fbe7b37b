"""BERT's uncased word pieces by the `tokenizers` library, from a vocabulary file alone."""

from __future__ import annotations

from pathlib import Path

from vtok_eval.errors import DataError


class WordPieces:
    """Ids of a text's pieces as the `tokenizers` library gives them (arXiv 1810.04805, uncased).

    The name of a special token in a text ("[SEP]") is that token, as it is for sentence-transformers.

    vocabulary: a file with one piece per line; a line's number is its id. max_length: the most ids a text
    gets, `[CLS]` and `[SEP]` included; what is beyond is cut off.

    Raises:
        DataError: the file cannot be read, or lacks one of BERT's special tokens.
    """

    def __init__(self, vocabulary: Path, *, max_length: int) -> None:
        from tokenizers import BertWordPieceTokenizer

        try:
            lines = vocabulary.read_text(encoding="utf-8").rstrip("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{vocabulary}: cannot be read ({error})") from error
        ids = {line.rstrip(): number for number, line in enumerate(lines)}
        lacking = [name for name in ("[CLS]", "[SEP]", "[UNK]") if name not in ids]
        if lacking:
            raise DataError(f"{vocabulary}: not a BERT vocabulary, it lacks {', '.join(lacking)}")
        self._tokenizer = BertWordPieceTokenizer(ids, lowercase=True)
        self._tokenizer.enable_truncation(max_length)

    def ids(self, text: str) -> list[int]:
        """`[CLS]`, the pieces, `[SEP]`. Half of a surrogate pair is dropped, as BERT drops U+FFFD."""
        # JSON may hold lone surrogates, which versions of the library treat differently.
        unicode_text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        found: list[int] = self._tokenizer.encode(unicode_text).ids
        return found
