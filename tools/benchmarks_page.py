"""Generates docs/benchmarks.md from the benchmarks' descriptions.

`python -m tools.benchmarks_page FILE` writes it; a test compares the file in the repository with it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.understanding.questions.answering.lmms_eval_extraction import rule_in_words
from benchmarks.understanding.questions.catalogue import find_description, shipped_file, shipped_names
from benchmarks.understanding.questions.description import BenchmarkDescription
from benchmarks.understanding.questions.task_description import Task
from tools.reading_quality import labelled_answers, quality_table

_EXAMPLE = "tomato"


def render_page() -> str:
    """The whole page as Markdown."""
    descriptions = [find_description(name) for name in shipped_names()]
    quality = "\n".join(quality_table(labelled_answers()))
    parts = [
        _prose("opening").replace("{reading_quality}", quality),
        "## The benchmarks\n",
        *_overview(descriptions),
        "",
    ]
    for description in descriptions:
        parts += [*_section(description), ""]
    parts += [_prose("peer") + "\n".join(_peer_rows(descriptions)), ""]
    parts += [*_own_benchmark(), ""]
    return "\n".join(parts).rstrip() + "\n"


def _prose(name: str) -> str:
    return (Path(__file__).parent / "prose" / f"{name}.md").read_text(encoding="utf-8")


def _overview(descriptions: list[BenchmarkDescription]) -> Iterator[str]:
    yield "| name | benchmark | questions | headline | licence |"
    yield "| --- | --- | ---: | --- | --- |"
    for each in descriptions:
        size = f"{each.size.questions:,}" if each.size else "not recorded"
        licence = each.licence or "not recorded: see the source"
        yield f"| [`{each.name}`](#{each.name}) | {each.title} | {size} | {_headline(each)} | {licence} |"


def _headline(description: BenchmarkDescription) -> str:
    titles = {f"mean:{each.field}": f"mean over {each.title.lower()}" for each in description.groupings}
    pairs = {name: f"{name} score" for name in ("text", "video", "group")}
    return ", ".join({**titles, **pairs}.get(name, name) for name in description.headline)


def _section(description: BenchmarkDescription) -> Iterator[str]:
    source = description.source
    yield f'<a id="{description.name}"></a>\n### {description.title}\n'
    yield f"{description.summary}\n\n{description.citation} <{description.url}>\n"
    revision = f", revision `{source.revision}`" if source.revision else ""
    yield f"- Data: {source.repository}{revision}; split: {source.split}. To do: {source.fetch}."
    yield f"- Tables: {_tables(description)}."
    yield f"- Clips: {_clips(description)}."
    if description.size:
        yield f"- Size: {description.size.questions:,} questions ({description.size.source})."
    if description.default_subsets:
        yield f"- Subsets: {_codes(description.subsets)}; by default {_codes(description.default_subsets)}."
    elif description.subsets:
        yield f"- Subsets: {_codes(description.subsets)}."
    if description.groupings:
        yield f"- Groups: {', '.join(each.title.lower() for each in description.groupings)}."
    yield f"- Headline: {_headline(description)}; intervals by {description.cluster}."
    yield f"- Tokenizers: {_tokenizers(description)}."
    if description.server:
        yield f"- Server: {description.server}."
    for name, task in description.tasks.items():
        yield from _task(name if len(description.tasks) > 1 else "", task)
    yield from (f"- Note: {note}." for note in description.notes)


def _tokenizers(description: BenchmarkDescription) -> str:
    reads = {
        "open-ended": "names one of the training's most frequent answers",
        "paired": "chooses among the two options of each of a pair's four questions",
    }
    types = dict.fromkeys(
        reads.get(task.type, "chooses among the options") for task in description.tasks.values()
    )
    how = f"a probe {' or '.join(types)}"
    if description.train is None:
        return f"{how}; no training split is read here: `train=FILE`"
    files = _codes([table.files[0] for table in description.train.tables])
    return f"{how}; trained on {files} ({description.train.fetch})"


def _task(name: str, task: Task) -> Iterator[str]:
    prefix = f"`{name}`: " if name else ""
    yield f"- {prefix}{task.type}; read by {_codes(task.extraction)}; the prompt:\n"
    yield "  ```text"
    yield from (f"  {line}" for line in task.prompt.split("\n"))
    yield "  ```"
    if task.note:
        yield f"- {prefix}{task.note}."


def _tables(description: BenchmarkDescription) -> str:
    patterns = [table.files[0] for table in description.tables]
    shown = _codes(patterns[:3])
    return shown if len(patterns) <= 3 else f"{shown} and {len(patterns) - 3} more like these"


def _clips(description: BenchmarkDescription) -> str:
    folders = [folder for table in description.tables for folder in table.video_folders[:1]]
    folders += [folder for folder in description.videos.folders if folder != "."]
    return f"looked for in {_codes(list(dict.fromkeys(folders)))}" if folders else "next to the tables"


def _peer_rows(descriptions: list[BenchmarkDescription]) -> Iterator[str]:
    for description in descriptions:
        for name, task in description.tasks.items():
            shown = f"`{description.name}`" + (f", {name}" if len(description.tasks) > 1 else "")
            if task.peer is None:
                yield f"| {shown} | by an LLM judge: not followed here |"
                continue
            fallback = {"wrong": "wrong", "random": "a random option", "A": "the first option"}
            ends = fallback[task.peer.fallback]
            dropped = "; an empty answer leaves the denominator" if task.peer.drops_empty else ""
            yield f"| {shown} | {rule_in_words(task.peer.extraction)} Else: {ends}{dropped}. |"


def _own_benchmark() -> Iterator[str]:
    yield _prose("own") + "\n"
    yield "```yaml"
    yield shipped_file(_EXAMPLE).read_text(encoding="utf-8").rstrip()
    yield "```"


def _codes(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_page(), encoding="utf-8")
