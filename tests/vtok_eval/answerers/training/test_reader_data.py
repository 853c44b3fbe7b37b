"""Training data from files: each record is a conversation or a line that says why it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vtok_eval.answerers.training.data.data_file import ReaderDataFile, read_data_file
from vtok_eval.answerers.training.data.loaded import LoadedReaderData, load_reader_data
from vtok_eval.errors import DataError, SuiteError

WHO = [{"from": "human", "value": "<image>\nWho?"}, {"from": "gpt", "value": "A dog."}]


@pytest.fixture
def videos(tmp_path) -> Path:
    """Files that are found; nothing opens them."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.mp4").write_bytes(b"video %d" % number)
    return folder


def records(n: int) -> list[dict]:
    return [{"id": "same", "video": f"{number}.mp4", "conversations": WHO} for number in range(n)]


def load(tmp_path, rows: object, **options) -> LoadedReaderData:
    (tmp_path / "train.json").write_text(json.dumps(rows))
    given = {"datasets": [{"conversations": "train.json"}], "videos": "videos", "validation": 0}
    return load_reader_data(ReaderDataFile.model_validate({**given, **options}), folder=tmp_path)


class TestRecords:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"video": "gone.mp4"}, "its video is missing: {folder}/gone.mp4"),
            ({"video": "../0.mp4"}, "names a video outside of {folder}: '../0.mp4'"),
            ({"video": None}, "names no video"),
            ({"video": "0.png"}, "shows an image, '0.png'; a reader sees videos"),
            ({"video": None, "image": "0.jpg"}, "shows an image, '0.jpg'; a reader sees videos"),
            ({"video": None, "image": ["0.jpg", "1.jpg"]}, "shows 2 files; a reader sees one video"),
            ({"video": ["0.mp4", "1.mp4"]}, "shows 2 files; a reader sees one video"),
            ({"conversations": []}, "has no conversations, a list of {{from, value}}"),
            ({"conversations": "Who?"}, "has no conversations, a list of {{from, value}}"),
            ({"conversations": ["Who?", "Me."]}, "turn 0 is not an object {{from, value}}"),
            (
                {"conversations": [{"from": "system", "value": "Be kind."}, *WHO]},
                "turn 0 is of an unknown role, 'system'; there are human, user, gpt, assistant",
            ),
            ({"conversations": [WHO[0], {"from": "gpt", "value": " "}]}, "turn 1 (gpt) is empty"),
            ({"conversations": [{"from": "human", "value": "<image>"}, WHO[1]]}, "turn 0 (human) is empty"),
            ({"conversations": [WHO[0], {"from": "gpt", "value": 3}]}, "turn 1 (gpt) has no text"),
            ({"conversations": WHO[:1]}, "ends with a question that has no answer"),
            ({"conversations": WHO[::-1]}, "speaks out of turn: assistant, user"),
            (
                {"conversations": [{"from": "human", "value": "Who?"}, WHO[1]]},
                "has no placeholder <image> or <video> for its video",
            ),
            (
                {"conversations": [{"from": "human", "value": "<image><image>\nWho?"}, WHO[1]]},
                "has 2 placeholders; a reader sees one video",
            ),
            (
                {"conversations": [{"from": "human", "value": "Hi."}, WHO[1], *WHO]},
                "has its placeholder in turn 2, not in the first",
            ),
        ],
    )
    def test_a_broken_record_is_one_line_and_the_others_stay(self, tmp_path, videos, change, reason):
        rows = records(3)
        rows[1] |= change
        found = load(tmp_path, rows)
        assert [each.id for each in found.data.training] == ["train.json#0", "train.json#2"]
        (problem,) = found.problems
        assert str(problem) == f"{tmp_path}/train.json, row 1 (line 1): {reason.format(folder=videos)}"
        assert "1 records are not used:" in found.lines()

    def test_a_record_as_llava_has_it(self, tmp_path, videos):
        said = [
            {"from": "human", "value": "Who is there?\n<video>"},
            {"from": "gpt", "value": "A dog."},
            {"role": "user", "content": "What does it do?"},
            {"role": "assistant", "content": "It runs."},
        ]
        (one,) = load(tmp_path, [{"video": ["0.mp4"], "conversations": said}]).data.training
        assert [turn.text for turn in one.turns] == [
            "Who is there?",
            "A dog.",
            "What does it do?",
            "It runs.",
        ]
        assert one.clip == str(videos / "0.mp4")

    def test_json_lines_patterns_and_names_without_suffix(self, tmp_path, videos):
        for name in ("a.jsonl", "b.jsonl"):
            (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in records(2)))
        file = ReaderDataFile.model_validate(
            {"datasets": [{"json_path": "*.jsonl", "videos": "videos"}], "validation": 0}
        )
        found = load_reader_data(file, folder=tmp_path)
        assert [each.id for each in found.data.training] == [
            "a.jsonl#0",
            "a.jsonl#1",
            "b.jsonl#0",
            "b.jsonl#1",
        ]
        assert len(found.sources) == 2

    def test_nothing_is_left(self, tmp_path, videos):
        with pytest.raises(DataError, match=r"no conversation can be trained on; .*row 0 .*names no video"):
            load(tmp_path, [{"conversations": WHO}])

    @pytest.mark.parametrize("text", ["[{]", "[1]", '{"a": 1}'])
    def test_a_file_that_is_no_list_of_records(self, tmp_path, text):
        (tmp_path / "train.json").write_text(text)
        file = ReaderDataFile.model_validate({"datasets": [{"conversations": "train.json"}]})
        with pytest.raises(DataError, match=r"train\.json"):
            load_reader_data(file, folder=tmp_path)


def test_a_table_of_ones_own(tmp_path, videos):
    (tmp_path / "mine.csv").write_text(
        "video,question,answer,option0,option1\n"
        "0.mp4,Which way?,left,left,right\n"
        "1.mp4,What colour?,red,,\n"
        "2.mp4,Which way?,up,left,right\n"
        "3.mp4,,up,left,right\n"
    )
    file = ReaderDataFile.model_validate(
        {"datasets": [{"table": "mine.csv", "videos": "videos"}], "validation": 0}
    )
    found = load_reader_data(file, folder=tmp_path)
    asked = [(each.turns[0].text, each.turns[1].text) for each in found.data.training]
    assert asked == [
        (
            "Which way?\nA. left\nB. right\nAnswer with the option's letter from the given choices directly.",
            "A",
        ),
        ("What colour?\nAnswer the question using a single word or phrase.", "red"),
    ]
    reasons = [problem.reason for problem in found.problems]
    assert reasons[0] == "has the answer 'up', which is none of its options ['left', 'right']"
    assert reasons[1].startswith("has no question")


class TestWhatIsTaken:
    @pytest.mark.parametrize(
        ("sampling", "expected"),
        [("all", 20), ("first:3", [0, 1, 2]), ("end:2", [18, 19]), ("first:10%", [0, 1]), ("random:5", 5)],
    )
    def test_sampling(self, tmp_path, videos, sampling, expected):
        entry = {"conversations": "train.json", "sampling_strategy": sampling}
        found = load(tmp_path, records(20), datasets=[entry])
        numbers = [int(each.id.partition("#")[2]) for each in found.data.training]
        assert numbers == sorted(numbers)
        assert (len(numbers) if isinstance(expected, int) else numbers) == expected
        again = load(tmp_path, records(20), datasets=[entry])
        assert again.data.sha256() == found.data.sha256()

    def test_validation_clips_do_not_depend_on_what_else_there_is(self, tmp_path, videos):
        few = load(tmp_path, records(10), validation=0.2)
        many = load(tmp_path, records(20), validation=0.2)
        apart = [{each.clip for each in found.data.validation} for found in (few, many)]
        assert (len(apart[0]), len(apart[1])) == (2, 4)
        assert not apart[1] & {each.clip for each in many.data.training}
        assert apart[0] & apart[1] == {clip for clip in apart[0] if clip in apart[1]}
        assert len(load(tmp_path, records(20), validation=0.5, most_validation=3).data.validation) == 3

    def test_clips_without_tokens_go_with_their_conversations(self, tmp_path, videos):
        found = load(tmp_path, records(3))
        fewer = found.without({str(videos / "1.mp4"): "vtok: cannot be decoded"})
        assert [each.id for each in fewer.data.training] == ["train.json#0", "train.json#2"]
        assert str(videos / "1.mp4") not in fewer.sources
        assert str(fewer.problems[-1]) == f"{videos}/1.mp4: vtok: cannot be decoded"

    def test_scenes(self, tmp_path):
        file = ReaderDataFile.model_validate({"datasets": [{"scenes": 2}], "validation": 0})
        found = load_reader_data(file, folder=tmp_path)
        assert len(found.sources) == 2
        assert len(found.data.training) > 4


class TestBenchmarks:
    """With a description of one's own: two questions for training and one under test, of three videos."""

    @pytest.fixture
    def description(self, tmp_path) -> str:
        folder = tmp_path / "data"
        folder.mkdir()
        head = "video,question,a0,a1,answer\n"
        (folder / "test.csv").write_text(f"{head}seen.mp4,Who?,me,you,0\n")
        (folder / "train.csv").write_text(f"{head}one.mp4,Who?,me,you,1\ngone.mp4,Why?,me,you,0\n")
        for name in ("seen", "one"):
            (folder / f"{name}.mp4").write_bytes(name.encode())
        path = tmp_path / "own.yaml"
        path.write_text(
            "name: own\ntitle: Own\nversion: '1'\nsummary: x\ncitation: x\nurl: x\nlicence: null\n"
            "source: {repository: x, split: test, fetch: fetch it}\nsize: null\n"
            "fields: {video: video, question: question, option_columns: [a0, a1], answer: answer}\n"
            "tables: [{files: [test.csv]}]\n"
            "tasks: {main: {type: multiple-choice, prompt: '{question} {options} Say the letter.', "
            "answer_is: index, extraction: [letter]}}\n"
            "train: {tables: [{files: [train.csv]}], fetch: fetch it}\n"
        )
        return str(path)

    def test_the_training_split_is_asked_as_the_benchmark_asks(self, tmp_path, description):
        file = ReaderDataFile.model_validate(
            {"datasets": [{"benchmark": description, "data": "data"}], "validation": 0}
        )
        found = load_reader_data(file, folder=tmp_path)
        (one,) = found.data.training
        assert [turn.text for turn in one.turns] == ["Who? A. me\nB. you Say the letter.", "B"]
        assert found.sources[one.clip].path == tmp_path / "data" / "one.mp4"
        (problem,) = found.problems
        assert "its video is missing" in problem.reason

    @pytest.mark.parametrize("name", ["seen.mp4", "renamed.mp4"])
    def test_clips_under_test_are_refused_or_dropped(self, tmp_path, videos, description, name):
        (videos / name).write_bytes(b"seen")
        rows = [*records(2), {"video": name, "conversations": WHO}]
        tested = {description: "data"}
        with pytest.raises(SuiteError, match=rf"1 of 3 clips .* under test in .*{name}"):
            load(tmp_path, rows, tested=tested)
        found = load(tmp_path, rows, tested=tested, leakage="drop")
        assert [each.id for each in found.data.training] == ["train.json#0", "train.json#1"]
        assert found.n_leaked == 1
        assert found.lines()[-1].endswith("own.yaml: 1 are left out")

    def test_nothing_is_named(self, tmp_path, videos):
        assert "no benchmark is named" in load(tmp_path, records(2)).lines()[-1]


class TestYaml:
    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("datasets: []", "data.yaml:1: datasets"),
            (
                "datasets:\n  - videos: x",
                "an entry has one of conversations, table, benchmark, scenes, not none",
            ),
            ("datasets:\n  - {scenes: 3, table: x.csv}", "not table, scenes"),
            ("datasets:\n  - {scenes: 3, sampling: some}", "'some' is none of all, first:N"),
            ("datasets:\n  - {scenes: 3}\nframe: 4", "unknown key 'frame'; did you mean 'frames'"),
            ("- 1", "a file of training data is a mapping"),
        ],
    )
    def test_one_line_each(self, tmp_path, text, complaint):
        (tmp_path / "data.yaml").write_text(text)
        with pytest.raises(DataError) as error:
            read_data_file(tmp_path / "data.yaml")
        assert complaint in str(error.value)
        assert "\n" not in str(error.value)

    def test_missing_files(self, tmp_path):
        with pytest.raises(DataError, match="no such file; --data names a YAML file"):
            read_data_file(tmp_path / "data.yaml")
        file = ReaderDataFile.model_validate({"datasets": [{"table": "x.csv"}]})
        with pytest.raises(DataError, match="no such file, nor any that this matches"):
            load_reader_data(file, folder=tmp_path)

    def test_tested_by_name_or_with_a_folder(self):
        assert ReaderDataFile.model_validate({"datasets": [{"scenes": 1}], "tested": ["a"]}).tested == {
            "a": None
        }
