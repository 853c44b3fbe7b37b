"""A question benchmark of one's own, as its YAML file describes it."""

MINE = """\
name: mine
title: Mine
version: "1"
summary: My own questions.
citation: me
url: https://example.org
licence: null
source: {repository: none, split: test, fetch: make it}
size: null
fields: {video: clip, question: q, options: choices, answer: right, meta: {kind: kind}}
tables:
  - files: [questions.jsonl, questions.json, questions.csv]
tasks:
  main:
    type: multiple-choice
    prompt: "{question}\\n{options}"
    answer_is: letter
    extraction: [letter]
groupings:
  - {field: kind, title: Kind}
"""
