"""Which metrics a benchmark of questions has, and what one question's grades add to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.understanding.questions.answering.grading import Grade
from benchmarks.understanding.questions.description import BenchmarkDescription, Grouping
from benchmarks.understanding.questions.question import VideoQuestion
from vtok_eval.results.records import Metric

PAIR_SCORES = {"text": "Text score", "video": "Video score", "group": "Group score"}
"""Of Vinoground's pairs: both captions distinguished, both videos distinguished, both."""

OVERALL = "Overall"
"""The heading of what is measured over all questions."""

CUT = "cut_at_token_limit"
"""Share of answers whose text a server or model ended because a token limit was reached."""

Values = dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class MetricSet:
    """The metrics of a benchmark on these questions.

    circular: also those over every rotation of the options, of which the strict one is a headline.
    """

    description: BenchmarkDescription
    questions: Sequence[VideoQuestion]
    circular: bool = False

    def metrics(self) -> list[Metric]:
        """In the order of tables: headlines, groups, then how answers were given."""
        measured = list(self._pair_metrics() if self.description.is_paired else self._plain_metrics())
        headline = set(self.description.headline)
        return [
            *(m for m in measured if m.name in headline),
            *(m for m in measured if m.name not in headline),
        ]

    def values(
        self, question: VideoQuestion, grades: Sequence[Grade], *, is_cut: bool | None = None
    ) -> Values:
        """What one question adds.

        grades: of its rotations, the data set's own order first. is_cut: whether the answer in that order was
        cut at the token limit; None where that is not known.
        """
        first = grades[0]
        values: Values = {"unparsed": (float(first.read is None),)}
        if is_cut is not None:
            values[CUT] = (float(is_cut),)
        chosen = [grade.position for grade in grades if grade.position is not None]
        if chosen and len(question.options) > 1:
            values["first_option"] = (chosen.count(0) / len(chosen),)
        if first.correct is None:
            return values
        values["accuracy"] = (first.correct,)
        for grouping in self.description.groupings:
            for value in group_values(grouping, question):
                values[f"{grouping.field}={value}"] = (first.correct,)
        if self.circular and len(grades) > 1:
            each = [grade.correct or 0.0 for grade in grades]
            values["circular"] = (float(min(each) == 1.0),)
            values["rotation_mean"] = (sum(each) / len(each),)
        return values

    def pair_values(
        self,
        members: Sequence[VideoQuestion],
        grades: Sequence[Grade],
        *,
        are_cut: Sequence[bool | None] = (),
    ) -> Values:
        """What one pair adds: the text score is 1 where both of its text questions are right, and so on.

        are_cut: as `is_cut` of `values`, for each member.
        """
        right = dict.fromkeys(("text", "video"), True)
        for question, grade in zip(members, grades, strict=True):
            right[question.subset] = right[question.subset] and grade.correct == 1.0
        scores = {**right, "group": right["text"] and right["video"]}
        values: Values = {name: (float(scores[name]),) for name in PAIR_SCORES}
        for grouping in self.description.groupings:
            for value in group_values(grouping, members[0]):
                for name in PAIR_SCORES:
                    values[f"{name}:{grouping.field}={value}"] = (float(scores[name]),)
        values["accuracy"] = (sum(grade.correct or 0.0 for grade in grades) / len(grades),)
        values["unparsed"] = (sum(grade.read is None for grade in grades) / len(grades),)
        known = [is_cut for is_cut in are_cut if is_cut is not None]
        if known:
            values[CUT] = (sum(known) / len(known),)
        return values

    def _plain_metrics(self) -> Iterator[Metric]:
        headline = set(self.description.headline)
        for grouping in self.description.groupings:
            if grouping.mean:
                names = [f"{grouping.field}={value}" for value in self._present(grouping)]
                chances = [self._chance(grouping, value) for value in self._present(grouping)]
                yield Metric(
                    f"mean:{grouping.field}",
                    f"Mean over {grouping.title.lower()}",
                    chance=_mean(chances),
                    group=OVERALL,
                    headline=f"mean:{grouping.field}" in headline,
                    mean_of=tuple(names),
                )
        yield Metric(
            "accuracy",
            self._accuracy_title(),
            chance=self._chance(),
            group=OVERALL,
            headline="accuracy" in headline,
        )
        for grouping in self.description.groupings:
            for value in self._present(grouping):
                name = f"{grouping.field}={value}"
                chance = self._chance(grouping, value)
                yield Metric(name, value, chance=chance, group=grouping.title, failed_where=name)
        if self.circular:
            yield from self._circular_metrics()
        yield from self._ways_of_answering()

    def _pair_metrics(self) -> Iterator[Metric]:
        chances = {"text": 0.25, "video": 0.25, "group": 0.0625}  # four independent coins
        for name, title in PAIR_SCORES.items():
            headline = name in self.description.headline
            yield Metric(name, title, chance=chances[name], group=OVERALL, headline=headline)
        yield Metric("accuracy", "Accuracy of single questions", chance=0.5, group=OVERALL)
        for grouping in self.description.groupings:
            for value in self._present(grouping):
                for name, title in PAIR_SCORES.items():
                    yield Metric(
                        f"{name}:{grouping.field}={value}",
                        f"{value}: {title.lower()}",
                        chance=chances[name],
                        group=grouping.title,
                        failed_where=f"{grouping.field}={value}",
                    )
        yield from (_unparsed(), _cut())

    def _circular_metrics(self) -> Iterator[Metric]:
        counts = [len(q.options) for q in self.questions if turns(q) > 1 and q.is_answered]
        yield Metric(
            "circular",
            "Right in every rotation",
            chance=_mean([(1 / n) ** n for n in counts]),
            group="Rotated options",
        )
        chance = _mean([1 / n for n in counts])
        yield Metric("rotation_mean", "Mean over rotations", chance=chance, group="Rotated options")

    def _ways_of_answering(self) -> Iterator[Metric]:
        yield from (_unparsed(), _cut())
        if any(len(question.options) > 1 for question in self.questions):
            yield Metric(
                "first_option",
                "Picks the first option",
                higher_is_better=None,
                group="Ways of answering",
                failed_as=None,
            )

    def _accuracy_title(self) -> str:
        free = all(task.type == "open-ended" for task in self.description.tasks.values())
        return "Accuracy (normalised match)" if free else "Accuracy"

    def _present(self, grouping: Grouping) -> list[str]:
        """The grouping's values that questions with a known answer have, in order."""
        found = {value for q in self.questions if q.is_answered for value in group_values(grouping, q)}
        if grouping.values is None:
            return sorted(found)
        return [*(v for v in grouping.values if v in found), *sorted(found - set(grouping.values))]

    def _chance(self, grouping: Grouping | None = None, value: str = "") -> float | None:
        return _mean(
            [
                1 / len(q.labels)
                for q in self.questions
                if q.is_answered and q.labels and (grouping is None or value in group_values(grouping, q))
            ]
        )


def group_values(grouping: Grouping, question: VideoQuestion) -> list[str]:
    """The values of the grouping that a question belongs to; none where its field is empty.

    Example:
        >>> meta = {"topic": "x; y"}
        >>> question = VideoQuestion("1", "", "main", "v", (), "What?", ("a", "b"), ("A", "B"), meta=meta)
        >>> group_values(Grouping(field="topic", title="Topic", separator=";"), question)
        ['x', 'y']
    """
    value = question.meta.get(grouping.field)
    if value is None or value == "":
        return []
    parts = str(value).split(grouping.separator) if grouping.separator else [str(value)]
    return [part.strip() for part in parts if part.strip()]


def turns(question: VideoQuestion) -> int:
    """In how many rotations a question can be asked: as many as it has options whose order can be changed.

    Example:
        >>> turns(VideoQuestion("1", "", "main", "v", (), "What?", ("a cat", "a dog"), ("A", "B")))
        2
    """
    movable = len(question.options) > 1 and question.options != question.labels and question.shows_options
    return len(question.options) if movable else 1


def describe_values(values: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    """The values as single numbers.

    Example:
        >>> describe_values({"accuracy": (1.0,)})
        {'accuracy': 1.0}
    """
    return {name: value[0] for name, value in values.items()}


def _unparsed() -> Metric:
    return Metric(
        "unparsed",
        "Unparsed answers",
        higher_is_better=False,
        group="Ways of answering",
        headline=True,
        failed_as=None,
    )


def _cut() -> Metric:
    """For answerers that report it; not measured for others."""
    return Metric(
        CUT,
        "Answers cut at the token limit",
        higher_is_better=False,
        group="Ways of answering",
        failed_as=None,
    )


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None
