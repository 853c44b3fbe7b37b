"""A small terminal: what is on the screen after a program has written to it."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


def screen(written: str, *, width: int = 200) -> list[str]:
    """The lines of the screen; understands carriage returns, line feeds, moves up and erased lines.

    Raises:
        ValueError: a sequence that this terminal does not know.
    """
    lines: list[list[str]] = [[]]
    row = column = at = 0
    while at < len(written):
        found = _SEQUENCE.match(written, at)
        if found:
            at = found.end()
            argument, command = found.groups()
            if command == "A":
                row = max(0, row - int(argument or 1))
            elif command == "K" and argument in {"", "0", "2"}:
                lines[row] = [] if argument == "2" else lines[row][:column]
            elif command not in {"m", "h", "l"}:
                raise ValueError(f"unknown sequence {found.group()!r}")
            continue
        character = written[at]
        at += 1
        if character == "\r":
            column = 0
        elif character == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append([])
        else:
            if column == width:
                row, column = row + 1, 0
                if row == len(lines):
                    lines.append([])
            line = lines[row]
            line += [" "] * (column - len(line))
            line[column : column + 1] = [character]
            column += 1
    return ["".join(line).rstrip() for line in lines]
