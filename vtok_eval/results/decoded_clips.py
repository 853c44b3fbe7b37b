"""Reads from a run's records what tokenizers' `decode` changed of the clips that they were given."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vtok_eval.errors import RunFolderError
from vtok_eval.results.shape_change import OUTPUT, ShapeChange, changes_in_words

if TYPE_CHECKING:
    from vtok_eval.results.store import RunFolder


def decoded_in_words(folder: RunFolder) -> Mapping[tuple[str, str], str]:
    """By benchmark and system: what `decode` changed, "13 of 16 frames (all 12 clips)", where it did.

    Raises:
        RunFolderError: a file of the run cannot be read.
    """
    found: dict[tuple[str, str], Counter[ShapeChange]] = {}
    for benchmark, system, text, count in _stated(folder):
        change = ShapeChange.of_json(json.loads(text))
        if change is not None:
            found.setdefault((benchmark, system), Counter())[change] += count
    words = {key: changes_in_words(changes.elements()) for key, changes in found.items()}
    return {key: text for key, text in words.items() if text}


def _stated(folder: RunFolder) -> Iterator[tuple[str, str, str, int]]:
    """Benchmark, system, the JSON of a change, and how many samples have it."""
    if (folder.path / "journal.sqlite").exists():
        with folder.reader() as journal:
            yield from journal.count_outputs(OUTPUT)
    elif (folder.path / "samples.parquet").exists():
        yield from _from_parquet(folder)


def _from_parquet(folder: RunFolder) -> Iterator[tuple[str, str, str, int]]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = folder.path / "samples.parquet"
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["benchmark", "system", "outputs"])
                table = table.filter(pc.match_substring(table["outputs"], f'"{OUTPUT}"'))
                for row in table.to_pylist():
                    content = json.loads(row["outputs"]).get(OUTPUT)
                    yield row["benchmark"], row["system"], json.dumps(content), 1
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RunFolderError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
