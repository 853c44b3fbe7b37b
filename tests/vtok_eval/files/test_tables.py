"""The strict reader of tables: each format's good files, and each defect reported in one line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtok_eval.errors import DataError, SpecError
from vtok_eval.files.tables import is_table, read_table
from vtok_eval.files.text_files import numbered_lines

BREAKS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
"""Characters at which str.splitlines ends a line, and a table must not."""
CELLS = st.text(st.characters(exclude_characters="\x00", codec="utf-8"))


def rows(path: Path, data: str | bytes, **options) -> list[dict[str, object]]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return [dict(row.columns) for row in read_table(path, **options).rows]


def parquet(path: Path, columns: dict[str, list[object]]) -> Path:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


class TestGoodFiles:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.csv", "id,text\n7,x\n"),
            ("A.CSV", "\ufeffid,text\r\n7,x\r\n"),
            ("a.csv", '"id","text"\n\n"7","x"'),
            ("a.csv", " id , text \n7,x\n"),
            ("a.tsv", "id\ttext\n7\tx\n"),
            ("a.json", '[{"id": "7", "text": "x"}]'),
            ("a.Json", '\ufeff\r\n [ {"id": "7", "text": "x"} ] \n'),
            ("a.jsonl", '{"id": "7", "text": "x"}\r\n\r\n'),
            ("a.JSONL", '\ufeff{"id": "7", "text": "x"}'),
            ("a.ndjson", '\n{"id": "7", "text": "x"}\n'),
        ],
    )
    def test_one_row(self, tmp_path, name, text):
        assert rows(tmp_path / name, text) == [{"id": "7", "text": "x"}]

    def test_parquet_keeps_types_and_reads_nan_as_missing(self, tmp_path):
        path = parquet(tmp_path / "a.PARQUET", {"id": [7, 8], "n": [1.0, float("nan")], "b": [b"x", b"y"]})
        table = read_table(path)
        assert [row.columns for row in table.rows] == [{"id": 7, "n": 1.0}, {"id": 8, "n": None}]
        assert table.rows[1].where == f"{path}, row 1 (from 0)"

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl"])
    def test_only_line_feeds_end_a_line(self, tmp_path, name):
        kept = {"id": "1", "text": BREAKS}
        if name.endswith("sv"):
            text = "id,text\n".replace(",", "\t" if "tsv" in name else ",")
            text += ("1\t" if "tsv" in name else "1,") + BREAKS + "\n"
        else:
            text = json.dumps(kept, ensure_ascii=False)
            text = f"[{text}]" if name == "a.json" else text
        assert rows(tmp_path / name, text) == [kept]

    def test_a_cell_of_any_size_with_line_breaks_and_quotes(self, tmp_path):
        cell = 'a "b",\r\n' * 40_000
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([["id", "text"], ["1", cell], ["2", "after"]])
        found = read_table(Path(tmp_path / "a.csv")) if rows(tmp_path / "a.csv", out.getvalue()) else None
        assert found is not None
        assert found.rows[0].columns["text"] == cell
        assert [row.line for row in found.rows] == [2, 40_003]  # of the first line of each row

    def test_none_and_na_are_texts(self, tmp_path):
        assert rows(tmp_path / "a.csv", "a,b,c\nNone,N/A,\n") == [{"a": "None", "b": "N/A", "c": ""}]

    def test_columns_are_found_in_other_capitals_and_with_spaces(self, tmp_path):
        table = "Answer ,ID,Other\nB,1,x\n"
        assert rows(tmp_path / "a.csv", table, required=("id", "answer")) == [
            {"answer": "B", "id": "1", "Other": "x"}
        ]
        line = '{" ID": 1, "ANSWER": "B"}'
        assert rows(tmp_path / "a.jsonl", line, names=("id", "answer")) == [{"id": 1, "answer": "B"}]

    def test_rows_under_a_key_and_an_object_as_rows(self, tmp_path):
        text = '{"note": [1, {"a": 2}],\n "data": [\n{"id": 1},\n{"id": 2}\n], "more": {}}'
        path = tmp_path / "a.json"
        assert rows(path, text, rows_at="data") == [{"id": 1}, {"id": 2}]
        assert [row.line for row in read_table(path, rows_at="data").rows] == [3, 4]
        keyed = rows(path, '{"q1": "A",\n "q2": [1]}', keyed=("id", "answer"))
        assert keyed == [{"id": "q1", "answer": "A"}, {"id": "q2", "answer": [1]}]

    def test_json_may_be_empty_and_nan_may_be_null(self, tmp_path):
        assert rows(tmp_path / "a.json", " [ ] ") == []
        assert rows(tmp_path / "a.jsonl", '{"a": NaN, "b": -Infinity}', nan_is_null=True) == [
            {"a": None, "b": None}
        ]

    @given(st.lists(st.lists(CELLS, min_size=2, max_size=2)))
    def test_what_the_csv_module_writes_is_read_back(self, tmp_path_factory, cells):
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([["one", "two"], *cells])
        path = tmp_path_factory.getbasetemp() / "drawn.csv"
        assert [list(row.values()) for row in rows(path, out.getvalue())] == cells

    @given(st.lists(st.dictionaries(CELLS.filter(str.strip), CELLS | st.integers() | st.none())))
    def test_what_the_json_module_writes_is_read_back(self, tmp_path_factory, written):
        path = tmp_path_factory.getbasetemp() / "drawn.json"
        folded = [{name.strip().casefold() for name in row} for row in written]
        if all(len(names) == len(row) for names, row in zip(folded, written, strict=True)):
            assert rows(path, json.dumps(written, indent=1)) == written


DEFECTS = [
    ("a.csv", "", "is empty"),
    ("a.csv", "\n\n", "is empty"),
    ("a.csv", "id,text\n1,x, y\n", "line 2: has 3 cells, the header has 2 columns (id, text)"),
    (
        "a.csv",
        'id,text\n1,"x\ny"\n2\n',
        "there is none for 'text'",
    ),
    ("a.csv", "id,,text\n1,2,3\n", "line 1: column 2 has no name"),
    ("a.csv", ",id\n0,1\n", "line 1: column 1 has no name (pandas"),
    ("a.csv", "id,text,id\n1,2,3\n", "line 1: the name 'id' is there twice (columns 1 and 3)"),
    ("a.csv", "id,text, id\n1,2,3\n", "line 1: the name 'id' is there twice"),
    ("a.csv", 'id,text\n1,"x\n2,y\n', "line 2: a quote is opened in this row and never closed"),
    ("a.csv", 'id,text\n1,"x"y\n', "line 2: quotes are not balanced"),
    ("a.csv", 'id,text\n1, "x"\n', "line 2: column 'text': remove the space before the opening quote"),
    ("a.csv", "id,text\r1,x\r", "line 1: has a carriage return without a line feed"),
    ("a.csv", "id,text\n1,a\rb\n", "line 2: has a carriage return without a line feed"),
    ("a.csv", "id,text\n1,\x00\n", "line 2: has a NUL byte"),
    ("a.csv", b"id,text\n1,x\n2,caf\xe9\n", "line 3: cannot be read: not UTF-8 (byte 0xe9)"),
    ("a.csv", "id,text\n1,x\n".encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
    ("a.csv", b"\x1f\x8b\x08\x00", "it is gzip-compressed; unpack it first"),
    ("a.csv", b"PK\x03\x04xl", "it is a ZIP archive or a spreadsheet"),
    (
        "a.csv",
        "id;text\n1;x\n",
        "has no column id; it has id;text and needs id; are the",
    ),
    ("a.csv", "Id,text,ID\n1,x,2\n", "columns 'Id' and 'ID' both mean 'id'; keep one"),
    ("a.csv", "nr,text\n1,x\n", "has no column id; it has nr, text and needs id"),
    ("a.tsv", "id\ttext\n1\tx\ty\n", "line 2: has 3 cells"),
    ("a.tsv", "id,text\n1,x\n", "has no column id; it has id,text"),
    ("a.json", "", "is empty"),
    ("a.json", '{"id": 1}', "must hold a list of rows, not an object"),
    ("a.json", "null", "must hold a list of rows, not null"),
    ("a.json", '[{"id": 1},\n 3]', "row 1 (line 2): must be an object with columns, not a number"),
    (
        "a.json",
        '[{"id": 1}\n {"id": 2}]',
        "line 2: not JSON (a comma or a closing bracket is expected, at character 2)",
    ),
    ("a.json", '[{"id": 1},\n]', "line 2: not JSON"),
    ("a.json", '[{"id": 1}]\n]', "line 2: not JSON (more text follows"),
    ("a.json", '{"id": 1}\n{"id": 2}\n', "must hold a list of rows, not an object"),
    ("a.json", '[{"id": 1},\n{"id": 2, "x": {"a": 1, "a": 2}}]', "line 2: the key 'a' is there twice"),
    ("a.json", '[{"id": NaN}]', "line 1: NaN is not a JSON number"),
    ("a.json", '[\n{"id": 1e999}]', "line 2: 1e999 is too large a number"),
    ("a.json", '[{"id": ' + "1" * 5000 + "}]", "line 1: has too long a number"),
    ("a.json", "[" * 100_000, "line 1: nested too deeply"),
    ("a.json", '[{"id": "\\ud800"}]', "line 1: has half of a character"),
    ("a.json", '[{"": 1}]', "row 0 (line 1): a column has no name"),
    ("a.json", '[{"id": 1},\n{"nr": 1}]', "row 1 (line 2): has no column id; it has nr and needs id"),
    ("a.jsonl", "\n \n", "is empty"),
    ("a.jsonl", '{"id": 1}\n[1]\n', "line 2: must be an object with columns, not a list"),
    ("a.jsonl", '{"id": 1}\n{"id": 2', "line 2: not JSON"),
    ("a.jsonl", '{"id": 1}{"id": 2}', "line 1: not JSON (more text follows"),
    ("a.jsonl", '{"id": 1}\n{"id": 2, "id": 3}', "line 2: the key 'id' is there twice"),
    ("a.jsonl", '{"id": 1}\n{"id": Infinity}', "line 2: Infinity is not a JSON number"),
    ("a.jsonl", "[\n{}]", "line 1: not JSON"),
    ("a.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
    ("a.csv.gz", b"\x1f\x8b", "tables are read from .csv, .tsv, .json, .jsonl, .ndjson, .parquet files"),
    ("a.xlsx", b"PK", "tables are read from"),
]


class TestDefects:
    @pytest.mark.parametrize(("name", "data", "says"), DEFECTS)
    def test_is_told_in_one_line(self, tmp_path, name, data, says):
        with pytest.raises(SpecError) as caught:
            rows(tmp_path / name, data, error=SpecError, required=("id",))
        assert str(caught.value).startswith(str(tmp_path / name))
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_an_object_with_a_key_twice_is_refused(self, tmp_path):
        with pytest.raises(DataError, match="line 2: the key 'q1' is there twice"):
            rows(tmp_path / "a.json", '{"q1": "A",\n"q1": "B"}', keyed=("id", "answer"))

    def test_a_parquet_column_twice_and_one_that_is_missing(self, tmp_path):
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table([pyarrow.array([1]), pyarrow.array([2])], names=["id", "id"])
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
        with pytest.raises(DataError, match="the column 'id' is there twice"):
            read_table(tmp_path / "a.parquet")
        with pytest.raises(DataError, match="has no column answer; it has id and needs id, answer"):
            read_table(parquet(tmp_path / "b.parquet", {"id": [1]}), required=("id", "answer"))

    def test_no_file(self, tmp_path):
        with pytest.raises(DataError, match=r"none\.csv: cannot be read \(No such file"):
            read_table(tmp_path / "none.csv")
        with pytest.raises(DataError, match="cannot be read as Parquet"):
            read_table(tmp_path / "none.parquet")


def test_lines_are_numbered_from_one():
    assert list(numbered_lines("")) == []
    assert list(numbered_lines(f"{BREAKS}\r\n\nlast")) == [(1, BREAKS), (2, ""), (3, "last")]


def test_suffixes_in_any_case():
    assert is_table(Path("a.TSV"))
    assert is_table(Path("a.ndjson"))
    assert not is_table(Path("a.json.gz"))
