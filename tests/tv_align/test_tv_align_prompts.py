"""The prompt files: schema and loader against bad files, and the shipped sentences against their promises."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tv_align.judges.constant import AlwaysYes
from tv_align.prompts.load import json_schema, load_prompts, read_prompt_file
from tv_align.prompts.schema import CATEGORIES, LEVELS, PromptSuite
from tv_align.tracks.scores import PROMPTS, QUESTIONS, values
from vtok_eval.errors import SpecError

GOOD = """\
suite: mine
version: 1
source: a test
category: counting
prompts:
  - id: one
    text: Two cats sit on a wall
    level: basic
    questions:
      Are there two cats?: yes
      Are there three cats?: no
"""


@pytest.fixture(scope="module")
def open_suite() -> PromptSuite:
    return load_prompts("open")


def write(tmp_path: Path, text: str, name: str = "p.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


class TestOpenSuite:
    def test_eight_categories_of_at_least_fifty_prompts_in_both_levels(self, open_suite: PromptSuite) -> None:
        assert open_suite.name == "tv-align-open"
        assert open_suite.categories == tuple(CATEGORIES)
        counts = Counter((prompt.category, prompt.level) for prompt in open_suite.prompts)
        for category in CATEGORIES:
            assert sum(counts[category, level] for level in LEVELS) >= 50
            assert all(counts[category, level] >= 20 for level in LEVELS)

    def test_a_judge_that_always_agrees_gets_half_the_questions_and_no_prompt(
        self, open_suite: PromptSuite
    ) -> None:
        judge = AlwaysYes()
        for prompt in open_suite.prompts:
            verdicts = judge.judge(None, [question.text for question in prompt.questions])
            found = values(prompt, verdicts)
            assert found[QUESTIONS] == (0.5,)
            assert found[PROMPTS] == (0.0,)

    def test_position_does_not_give_the_answer_away(self, open_suite: PromptSuite) -> None:
        first = Counter(prompt.questions[0].answer for prompt in open_suite.prompts)
        n = len(open_suite.prompts)
        # Fair coins give n/2 with standard deviation sqrt(n)/2: four of them either way.
        assert abs(first["yes"] - n / 2) < 2 * n**0.5

    def test_texts_make_file_names_and_are_of_a_natural_length(self, open_suite: PromptSuite) -> None:
        for prompt in open_suite.prompts:
            assert re.fullmatch(r"[A-Z][A-Za-z ,'-]+[a-z]", prompt.text), prompt.text
            assert 5 <= len(prompt.text.split()) <= 25, prompt.text

    def test_no_two_prompts_are_alike(self, open_suite: PromptSuite) -> None:
        small_words = {"a", "an", "the", "and", "of", "in", "on", "to", "its", "while", "is", "at", "with"}
        words = [
            set(prompt.text.lower().replace(",", "").split()) - small_words for prompt in open_suite.prompts
        ]
        for i, one in enumerate(words):
            for j in range(i):
                shared = len(one & words[j]) / len(one | words[j])
                assert shared < 0.55, (open_suite.prompts[i].text, open_suite.prompts[j].text)

    def test_sentences_are_varied_and_not_one_template(self, open_suite: PromptSuite) -> None:
        for category in CATEGORIES:
            texts = [prompt.text for prompt in open_suite.prompts if prompt.category == category]
            words = Counter(word.lower().strip(",") for text in texts for word in text.split())
            assert len(words) >= 180, category
            openings = Counter(" ".join(text.split()[:3]) for text in texts)
            assert openings.most_common(1)[0][1] <= 5, (category, openings.most_common(1))

    def test_questions_are_questions_and_all_different_within_a_prompt(self, open_suite: PromptSuite) -> None:
        openers = {"Is", "Are", "Does", "Do", "Can"}
        for prompt in open_suite.prompts:
            texts = [question.text for question in prompt.questions]
            assert len({text.lower() for text in texts}) == len(texts)
            assert all(text.split()[0] in openers and text.endswith("?") for text in texts), texts
            assert all(len(text.split()) >= 3 for text in texts), texts

    def test_words_of_a_question_alone_give_little_away(self, open_suite: PromptSuite) -> None:
        """A bag-of-words reader of questions alone stays near chance on held-out prompts."""
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GroupKFold, cross_val_score
        from sklearn.pipeline import make_pipeline

        asked = [(p.id, q.text, q.answer) for p in open_suite.prompts for q in p.questions]
        groups, texts, answers = zip(*asked, strict=True)
        reader = make_pipeline(CountVectorizer(), LogisticRegression(C=0.3, max_iter=500))
        accuracy = cross_val_score(reader, texts, answers, groups=groups, cv=GroupKFold(5)).mean()
        assert accuracy < 0.62

    def test_ids_are_stable_names(self, open_suite: PromptSuite) -> None:
        ids = [question.id for prompt in open_suite.prompts for question in prompt.questions]
        assert len(set(ids)) == len(ids)
        assert open_suite.prompts[0].id == "action-basic-01"


class TestLoader:
    def test_yaml_and_json_give_the_same_suite(self, tmp_path: Path) -> None:
        from_yaml = load_prompts(str(write(tmp_path, GOOD)))
        content = read_prompt_file(tmp_path / "p.yaml").model_dump()
        indented = json.dumps(content, indent="\t")
        from_json = load_prompts(str(write(tmp_path, indented, "q.json")))
        assert from_json == from_yaml
        answers = {question.text: question.answer for question in from_yaml.prompts[0].questions}
        assert answers == {"Are there two cats?": "yes", "Are there three cats?": "no"}

    @pytest.mark.parametrize(
        ("old", "new", "line", "words"),
        [
            ("level: basic", "level: easy", 8, "prompts.0.level"),
            ("    level: basic\n", "", 6, "prompts.0.level: Field required"),
            ("version: 1", "version: 0", 2, "version"),
            ("source: a test", "source: a test\ncolour: red", 4, "colour"),
            ("category: counting", "category: cooking", 4, "category"),
            ("three cats?: no", "three cats?: maybe", 11, "Are there three cats?"),
            ("three cats?: no", "three cats?: yes", 9, "as many questions must expect no as yes"),
            ("three cats?: no", "three cats: no", 9, "must end with a question mark"),
            ("Are there three cats?", "Are there two cats?", 11, "occurs twice"),
            ("text: Two cats", "text: Two  cats", 7, "doubled"),
        ],
    )
    def test_a_fault_names_line_and_field(
        self, tmp_path: Path, old: str, new: str, line: int, words: str
    ) -> None:
        assert old in GOOD
        path = write(tmp_path, GOOD.replace(old, new))
        with pytest.raises(SpecError) as caught:
            load_prompts(str(path))
        message = str(caught.value)
        assert "\n" not in message
        assert f"p.yaml, line {line}: " in message
        assert words in message

    def test_bad_syntax_names_its_line(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match=r"p\.yaml, line [89]: not YAML"):
            load_prompts(str(write(tmp_path, GOOD.replace("text: Two cats sit on a wall", "text: ["))))

    def test_a_fault_in_json_names_its_line(self, tmp_path: Path) -> None:
        content = read_prompt_file(write(tmp_path, GOOD)).model_dump()
        content["prompts"][0]["level"] = "easy"
        text = json.dumps(content, indent=1)
        line = next(i for i, row in enumerate(text.splitlines(), 1) if '"level"' in row)
        with pytest.raises(SpecError, match=rf"line {line}: prompts.0.level"):
            load_prompts(str(write(tmp_path, text, "bad.json")))
        with pytest.raises(SpecError, match="line 2: not JSON"):
            load_prompts(str(write(tmp_path, '{"suite": "x",\n y}', "worse.json")))

    def test_prompts_alike_in_two_files_and_mixed_suites_are_refused(self, tmp_path: Path) -> None:
        write(tmp_path, GOOD, "a.yaml")
        write(tmp_path, GOOD.replace("id: one", "id: two"), "b.yaml")
        with pytest.raises(SpecError, match="two prompts have the text"):
            load_prompts(str(tmp_path))
        write(tmp_path, GOOD.replace("suite: mine", "suite: other"), "b.yaml")
        with pytest.raises(SpecError, match="different suites"):
            load_prompts(str(tmp_path))

    @pytest.mark.parametrize("text", ["", "- a list", "just words"])
    def test_no_prompt_file_at_all(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(SpecError, match=r"p\.yaml"):
            load_prompts(str(write(tmp_path, text)))

    def test_unknown_name_and_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match="no prompts called 'opne'"):
            load_prompts("opne")
        with pytest.raises(SpecError, match="no prompt file"):
            load_prompts(str(tmp_path))

    def test_the_schema_is_documented_as_json_schema(self) -> None:
        schema = json_schema()
        assert set(schema["required"]) == {"suite", "version", "source", "category", "prompts"}
        assert schema["additionalProperties"] is False
