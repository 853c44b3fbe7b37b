"""Plain text: without markup, with letters of all widths and quotes of all shapes normalised."""

from __future__ import annotations

import re
import unicodedata

_CJK = "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af"
WORD = rf"[^\W{_CJK}]"
"""A letter or digit of a script that puts spaces between words: a label next to one is part of a word."""

_HTML = re.compile(r"</?(?:em|strong|br|span|div|code|mark|font|center|h\d|li|ul|ol)\b[^<>]*>", re.IGNORECASE)
_HTML_LETTER = re.compile(r"<([biup])>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
"""Tags of one letter only in pairs: "<B>" alone is a label in brackets."""
_STRUCK = re.compile(r"~~.*?~~|<(?:s|del|strike)>.*?</(?:s|del|strike)>", re.DOTALL)
_LATEX_GROUP = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|texttt|mathrm|mathbf|mathit|mathsf|boldsymbol|bm|mbox|emph"
    r"|underline|operatorname|displaystyle)\s*\{([^{}]*)\}"
)
_LATEX_SPACE = re.compile(r"\\[,;:! ]|\\q?quad\b|(?<=[)}\w])~(?=[({\\\w])")
_LATEX_MARK = re.compile(r"\\[()\[\]]|\$\$?|\\(?:left|right|displaystyle)\b")
_EMPHASIS = re.compile(r"[*`]|(?<!\w)_+|_+(?!\w)")
_HEADING = re.compile(r"^[ \t]*(?:#{1,6}|>|[-•–])[ \t]+", re.MULTILINE)
_SAME = str.maketrans(
    {"。": ".", "、": ",", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'"}
)


def plain(text: str) -> str:
    r"""The text without Markdown, HTML and LaTeX markup, in compatibility form; line breaks stay.

    Example:
        >>> plain("**Ｂ** is $\\text{blue}$")
        'B is blue'
    """
    text = unicodedata.normalize("NFKC", text).translate(_SAME)
    text = _HTML_LETTER.sub(r"\2", _HTML.sub("", _STRUCK.sub(" ", text)))
    text = without_latex(text)
    return _HEADING.sub("", _EMPHASIS.sub("", text)).strip()


def without_latex(text: str) -> str:
    r"""The text with LaTeX's text and font commands replaced by what they hold.

    Example:
        >>> without_latex(r"\textbf{\text{B}}~$x$")
        'B x'
    """
    previous = None
    while previous != text:
        previous, text = text, _LATEX_GROUP.sub(r"\1", text)
    return _LATEX_SPACE.sub(" ", _LATEX_MARK.sub("", text))
