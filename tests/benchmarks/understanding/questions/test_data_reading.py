"""Tables, archives, folders of pictures and descriptions: good ones, and bad ones told in one line."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import pytest

from benchmarks.understanding.questions.benchmark import QuestionAnswering
from benchmarks.understanding.questions.catalogue import find_description, shipped_names
from benchmarks.understanding.questions.data.archives import Archive, joined_parts
from benchmarks.understanding.questions.data.folder import data_folder
from benchmarks.understanding.questions.data.frame_folder import FrameFolder, in_order
from benchmarks.understanding.questions.data.report import check_data
from benchmarks.understanding.questions.data.video_library import MissingVideo, Sampling, VideoLibrary
from benchmarks.understanding.questions.description import Videos, read_description
from benchmarks.understanding.questions.question import load_questions
from tests.benchmarks.understanding.questions.own_description import MINE
from vtok_eval.errors import (
    DataError,
    DescriptionError,
    MissingDependencyError,
    SuiteError,
    UnknownNameError,
    VideoError,
)

WHOLE = Sampling(frames=None, rule="linspace", short_side=None)


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


class TestDescriptions:
    def test_every_shipped_one_names_itself_and_its_file(self):
        assert all(find_description(name).name == name for name in shipped_names())

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (("title: Mine", "titel: Mine"), "mine.yaml:2: unknown key 'titel'; did you mean 'title'?"),
            (("url: https://example.org\n", ""), "mine.yaml:1: url: Field required"),
            (("video: clip", "vido: clip"), "mine.yaml:10: unknown key 'vido'; did you mean 'video'?"),
            (("letter]", "leter]"), "mine.yaml:18: tasks.main.extraction.0: Input should be 'letter'"),
            (("{options}", "{option}"), "unknown placeholder 'option'; did you mean 'options'?"),
            (("title: Kind}", "title: Kind, mena: true}"), "mine.yaml:20: unknown key 'mena'"),
            (("groupings:", "headline: mean:kind\ngroupings:"), "unknown headline 'mean:kind'"),
            (("- files", "- task: other\n    files"), "unknown task 'other'; there are: main"),
            (("answer_is: letter", "answer_is: free-text"), "go together"),
            (("name: mine", "name: [mine"), "mine.yaml:2: not YAML"),
        ],
    )
    def test_a_wrong_one_is_told_where_and_what(self, mine, change, says):
        assert change[0] in MINE
        mine.write_text(MINE.replace(*change))
        with pytest.raises(DescriptionError) as caught:
            read_description(mine)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_no_such_name_or_file(self, tmp_path):
        with pytest.raises(UnknownNameError, match="did you mean 'mvbench'"):
            find_description("mvbnch")
        with pytest.raises(DescriptionError, match="cannot be read"):
            find_description(str(tmp_path / "none.yaml"))

    def test_one_in_the_cache_folder_is_found_by_name(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path))
        (tmp_path / "benchmarks").mkdir()
        (tmp_path / "benchmarks/mine.yaml").write_text(MINE)
        assert find_description("mine").title == "Mine"

    def test_options_of_the_benchmark_are_checked(self):
        with pytest.raises(
            UnknownNameError, match="subset of mvbench 'action_cont'; did you mean 'action_count'"
        ):
            QuestionAnswering("mvbench", subsets="action_cont")
        with pytest.raises(UnknownNameError, match="sampling rule"):
            QuestionAnswering("mvbench", sampling="fps")
        with pytest.raises(UnknownNameError, match="did you mean 'lmms-eval'"):
            QuestionAnswering("mvbench", compat="lmms_eval")
        with pytest.raises(SuiteError, match="frames must be a whole number"):
            QuestionAnswering("mvbench", frames=0)
        with pytest.raises(SuiteError, match="without a judge model"):
            QuestionAnswering("msvdqa", compat="lmms-eval")
        with pytest.raises(SuiteError, match="circular needs multiple-choice"):
            QuestionAnswering("vinoground", circular=True)


class TestTables:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            (
                "questions.jsonl",
                '{"clip": "a", "q": "Q?", "choices": ["x", "y"], "right": "B", "kind": "k"}\n\n',
            ),
            (
                "questions.json",
                '[{"clip": "a", "q": "Q?", "choices": ["x", "y"], "right": "(b)", "kind": "k"}]',
            ),
        ],
    )
    def test_formats(self, mine, tmp_path, name, text):
        (tmp_path / name).write_text("\ufeff" + text, "utf-8")
        (question,) = load_questions(read_description(mine), tmp_path)
        assert (question.options, question.answer, question.meta) == (("x", "y"), 1, {"kind": "k"})

    def test_csv(self, mine, tmp_path):
        columns = MINE.replace("options: choices", "option_columns: [c0, c1, c2]")
        mine.write_text(columns)
        (tmp_path / "questions.csv").write_text('clip,q,c0,c1,c2,right,kind\na,"Q, or?",x,"y, z",,B,k\n')
        (question,) = load_questions(read_description(mine), tmp_path)
        assert question.text == "Q, or?"
        assert question.options == ("x", "y, z")

    @pytest.mark.parametrize(
        ("cells", "options"),
        [
            ("one,two,three,,", ("one", "two", "three")),
            ("None,N/A,nan,,", ("None", "N/A", "nan")),
            ("one,,two,three,four", "line 2: the option in column 'c1' is empty, but later options are not"),
            (",two,three,four,five", "line 2: the option in column 'c0' is empty"),
            (" ,,,,", "line 2: all of c0, c1, c2, c3, c4 are empty"),
        ],
    )
    @pytest.mark.parametrize("name", ["questions.csv", "questions.jsonl"])
    def test_an_empty_option_never_shifts_the_answer(self, mine, tmp_path, cells, options, name):
        mine.write_text(
            MINE.replace("options: choices", "option_columns: [c0, c1, c2, c3, c4]").replace(
                "answer_is: letter", "answer_is: index"
            )
        )
        header = ["clip", "q", "c0", "c1", "c2", "c3", "c4", "right", "kind"]
        row = ["a", "Q?", *cells.split(","), "2", "k"]
        if name.endswith(".csv"):
            text = f"{','.join(header)}\n{','.join(row)}\n"
        else:
            given = {key: cell or None for key, cell in zip(header, row, strict=True)}
            text = "\n" + json.dumps({**given, "right": 2.0})  # None, and 3.0 for 3, as pandas writes them
        (tmp_path / name).write_text(text)
        if isinstance(options, str):
            with pytest.raises(DataError, match=options):
                load_questions(read_description(mine), tmp_path)
        else:
            (question,) = load_questions(read_description(mine), tmp_path)
            assert (question.options, question.answer) == (options, 2)

    def test_an_empty_option_in_a_list(self, mine, tmp_path):
        row = {"clip": "a", "q": "Q", "choices": ["x", None, "y"], "right": "A", "kind": "k"}
        (tmp_path / "questions.jsonl").write_text(json.dumps(row))
        with pytest.raises(DataError, match=r"line 1: the option in column 'choices\[1\]' is empty"):
            load_questions(read_description(mine), tmp_path)
        (tmp_path / "questions.jsonl").write_text(json.dumps({**row, "choices": ["x", "y", ""]}))
        assert load_questions(read_description(mine), tmp_path)[0].options == ("x", "y")

    def test_a_text_that_means_no_option_is_declared_by_the_data_set(self, mine, tmp_path):
        mine.write_text(MINE.replace("options: choices", "options: choices, absent_option: N/A"))
        row = {"clip": "a", "q": "Q", "choices": ["x", "y", "N/A"], "right": "A", "kind": "k"}
        (tmp_path / "questions.jsonl").write_text(json.dumps(row))
        assert load_questions(read_description(mine), tmp_path)[0].options == ("x", "y")

    def test_headers_in_other_capitals(self, mine, tmp_path):
        row = {"Clip": "a", "Q ": "Q?", "CHOICES": ["x", "y"], "right": "A", "Kind": "k"}
        (tmp_path / "questions.jsonl").write_text(json.dumps(row))
        (question,) = load_questions(read_description(mine), tmp_path)
        assert (question.video, question.options, question.meta) == ("a", ("x", "y"), {"kind": "k"})

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ('{"clip": "a"}', "line 1: has no column q; it has clip"),
            (
                '{"clip": "a", "q": "Q", "choices": ["x", "y"], "right": "C", "kind": "k"}',
                "the answer 'C' is none",
            ),
            (
                '{"clip": "a", "q": "Q", "choices": "x", "right": "A", "kind": "k"}',
                "must be a list of options",
            ),
            ("[1]", "must be an object"),
            ("{", "line 1: not JSON"),
        ],
    )
    def test_bad_rows(self, mine, tmp_path, text, says):
        (tmp_path / "questions.jsonl").write_text(text)
        with pytest.raises(DataError) as caught:
            load_questions(read_description(mine), tmp_path)
        assert says in str(caught.value)
        assert "questions.jsonl" in str(caught.value)

    def test_an_id_twice(self, mine, tmp_path):
        mine.write_text(MINE.replace("video: clip,", "video: clip, id: clip,"))
        row = '{"clip": "a", "q": "Q", "choices": ["x", "y"], "right": "A", "kind": "k"}\n'
        (tmp_path / "questions.jsonl").write_text(row * 2)
        with pytest.raises(DataError, match="the id 'a' is there twice"):
            load_questions(read_description(mine), tmp_path)

    def test_a_damaged_parquet_file(self, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data/test-0.parquet").write_bytes(b"PAR1 and no more")
        report = check_data("tomato", tmp_path)
        assert "cannot be read" in report.problem

    def test_binary_columns_are_not_read(self, tmp_path):
        import pyarrow
        import pyarrow.parquet

        from benchmarks.understanding.questions.data.tables import read_rows
        from benchmarks.understanding.questions.description import Table

        rows = [{"id": 1, "bytes": b"x" * 10, "video": {"bytes": b"y", "path": "a.mp4"}}]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
        (row,) = read_rows(tmp_path, Table(files=("*.parquet",)))
        assert row.columns == {"id": 1, "video": {"path": "a.mp4"}}

    def test_the_data_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("VTOK_EVAL_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("VTOK_EVAL_DATA", raising=False)
        tomato = find_description("tomato")
        assert data_folder(tomato) == tmp_path / "cache/data/tomato"
        (tmp_path / "tomato").mkdir()
        monkeypatch.setenv("VTOK_EVAL_DATA", str(tmp_path))
        assert data_folder(tomato) == tmp_path / "tomato"
        assert data_folder(tomato, str(tmp_path / "elsewhere")) == tmp_path / "elsewhere"

    def test_no_data_is_one_line_that_says_what_to_do(self, tmp_path):
        with pytest.raises(MissingDependencyError, match="download the Parquet files") as caught:
            QuestionAnswering("tomato", data=str(tmp_path)).metrics()
        assert "\n" not in str(caught.value)


class TestArchives:
    def test_no_name_leads_out_of_the_cache(self, tmp_path):
        path = tmp_path / "evil.zip"
        names = ("../../outside.mp4", "/etc/outside.mp4", "..\\outside.mp4", "good.mp4")
        with zipfile.ZipFile(path, "w") as evil:
            for name in names:
                evil.writestr(name, b"data")
        archive = Archive(path, tmp_path / "cache")
        archive.extract(archive.members)
        written = [file for file in tmp_path.rglob("*") if file.is_file() and file != path]
        assert len(written) == len(names)
        assert all((tmp_path / "cache/extracted") in file.parents for file in written)

    def test_links_are_no_members(self, tmp_path):
        path = tmp_path / "links.tar"
        with tarfile.open(path, "w") as tar:
            link = tarfile.TarInfo("link.mp4")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
            plain = tarfile.TarInfo("plain.mp4")
            plain.size = 3
            tar.addfile(plain, io.BytesIO(b"abc"))
        archive = Archive(path, tmp_path / "cache")
        assert archive.members == {"plain.mp4": 3}
        zipped = tmp_path / "links.zip"
        with zipfile.ZipFile(zipped, "w") as out:
            info = zipfile.ZipInfo("link.mp4")
            info.external_attr = 0o120777 << 16  # a symbolic link in Unix's words
            out.writestr(info, "/etc/passwd")
        assert Archive(zipped, tmp_path / "cache").members == {}

    def test_a_damaged_archive_is_told(self, tmp_path):
        (tmp_path / "bad.tar").write_bytes(b"not a tar file at all" * 50)
        with pytest.raises(DataError, match=r"bad\.tar: a damaged archive"):
            _ = Archive(tmp_path / "bad.tar", tmp_path / "cache").members
        whole = tmp_path / "cut.zip"
        with zipfile.ZipFile(whole, "w") as out:
            out.writestr("a.mp4", b"x" * 1000)
        data = bytearray(whole.read_bytes())
        data[60:80] = b"y" * 20  # the checksum no longer fits
        whole.write_bytes(data)
        archive = Archive(whole, tmp_path / "cache")
        with pytest.raises(VideoError, match="cannot be unpacked"):
            archive.extract(["a.mp4"])
        assert not archive.extracted("a.mp4").exists()

    def test_parts_of_a_tar_file_are_one_archive(self, tmp_path):
        whole = io.BytesIO()
        contents = {f"videos/{i}.mp4": bytes([i]) * (700 + i) for i in range(5)}
        with tarfile.open(fileobj=whole, mode="w") as tar:
            for name, data in contents.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        for number, start in enumerate(range(0, len(whole.getvalue()), 1000)):
            part = tmp_path / f"videos.tar.part.a{'abcdefghijklmnopqrstuvwxyz'[number]}"
            part.write_bytes(whole.getvalue()[start : start + 1000])
        (archive,) = joined_parts(tmp_path.glob("*.tar*"), tmp_path / "cache")
        archive.extract(["videos/1.mp4", "videos/4.mp4"])
        assert archive.extracted("videos/1.mp4").read_bytes() == contents["videos/1.mp4"]
        assert archive.extracted("videos/4.mp4").read_bytes() == contents["videos/4.mp4"]
        assert not archive.extracted("videos/0.mp4").exists()

    def test_what_is_there_is_not_taken_out_again(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
            out.writestr("a.mp4", b"data")
        archive = Archive(tmp_path / "a.zip", tmp_path / "cache")
        archive.extract(["a.mp4"])
        archive.extracted("a.mp4").write_bytes(b"mark")
        archive.extract(["a.mp4"])
        assert archive.extracted("a.mp4").read_bytes() == b"mark"


class TestFindingClips:
    def library(self, tmp_path, **videos):
        return VideoLibrary(tmp_path, Videos(**videos), cache=tmp_path / "cache")

    def zipped(self, path, *names):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, name)

    def test_a_name_that_leads_out_is_missing(self, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "secret.mp4").write_bytes(b"x")
        library = self.library(tmp_path / "data")
        for name in ("../secret.mp4", str(tmp_path / "secret.mp4"), "..\\secret", ""):
            assert isinstance(library.source(name, folders=(), sampling=WHOLE), MissingVideo)

    def test_a_clip_of_another_source_with_the_same_name_is_not_taken(self, tmp_path):
        self.zipped(tmp_path / "clevrer.zip", "video_validation/video_1.mp4")
        library = self.library(tmp_path, folders=())
        found = library.source("video_1.mp4", folders=("perception/videos",), sampling=WHOLE)
        assert isinstance(found, MissingVideo)
        found = library.source("video_1.mp4", folders=("clevrer/video_validation",), sampling=WHOLE)
        assert found.members == ("video_validation/video_1.mp4",)

    def test_two_that_fit_equally_are_not_chosen_between(self, tmp_path):
        self.zipped(tmp_path / "one.zip", "x/a.mp4")
        self.zipped(tmp_path / "two.zip", "y/a.mp4")
        found = self.library(tmp_path).source("a", folders=(), sampling=WHOLE)
        with pytest.raises(VideoError, match="found more than once"):
            found.load()

    def test_a_file_comes_before_an_archive(self, tmp_path):
        self.zipped(tmp_path / "one.zip", "a.mp4")
        (tmp_path / "a.mp4").write_bytes(b"x")
        assert self.library(tmp_path).source("a", folders=(), sampling=WHOLE).path == tmp_path / "a.mp4"

    def test_pictures_in_an_archive(self, tmp_path, picture_bytes):
        with zipfile.ZipFile(tmp_path / "tvqa.zip", "w") as archive:
            for i, data in enumerate(picture_bytes):
                archive.writestr(f"frames/clip_7/{i + 1}.jpg", data)
        library = self.library(tmp_path, folders=("tvqa/frames",), frame_rate=3)
        clip = library.source("clip_7", folders=(), sampling=WHOLE).load()
        assert clip.frames.shape == (11, 3, 24, 32)
        assert clip.frames[:, 0, 0, 0].tolist() == pytest.approx([10 * i for i in range(11)], abs=2)


class TestFrameFolders:
    def test_order(self):
        assert in_order(["10.jpg", "9.jpg", "1.jpg"]) == ["1.jpg", "9.jpg", "10.jpg"]
        assert in_order(["f_2.png", "f_10.png", "f_1.png"]) == ["f_1.png", "f_2.png", "f_10.png"]

    def test_bad_pictures(self, tmp_path):
        from PIL import Image

        with pytest.raises(VideoError, match="without pictures"):
            FrameFolder("empty", (), 3.0).load()
        (tmp_path / "1.jpg").write_bytes(b"no picture")
        with pytest.raises(VideoError, match="no picture that can be read"):
            FrameFolder("bad", (tmp_path / "1.jpg",), 3.0).load()
        Image.new("RGB", (8, 8)).save(tmp_path / "2.png")
        Image.new("RGB", (9, 8)).save(tmp_path / "3.png")
        with pytest.raises(VideoError, match=r"its size differs from that of 2\.png"):
            FrameFolder("sizes", (tmp_path / "2.png", tmp_path / "3.png"), 3.0).load()

    def test_the_key_names_the_content(self, tmp_path):
        from PIL import Image

        for i in range(3):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
        pictures = tuple(tmp_path / f"{i}.png" for i in range(3))
        whole = FrameFolder("x", pictures, 3.0)
        assert whole.key == FrameFolder("y", pictures, 3.0).key
        keys = {
            whole.key,
            FrameFolder("x", pictures[:2], 3.0).key,
            FrameFolder("x", pictures, 3.0, short_side=4).key,
        }
        assert len(keys) == 3
        assert FrameFolder("x", pictures, 3.0, max_frames=2).load().frames[:, 0, 0, 0].tolist() == [0, 2]
