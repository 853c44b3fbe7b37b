"""-o/--out, -v, -q and --json mean the same on every command, and may stand before or after its name."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vtok_eval.cli import main as command_line
from vtok_eval.cli.log_output import OWN_LOGGERS, say_repeats, set_verbosity
from vtok_eval.cli.main import app
from vtok_eval.cli.shared_options import with_shared_options
from vtok_eval.errors import SpecError

SHARED = {
    "verbose": {"-v", "--verbose"},
    "quiet": {"-q", "--quiet"},
    "out": {"-o", "--out"},
    "as_json": {"--json"},
}
NAMES = set().union(*SHARED.values())


def whole_command_line():
    """Every command, those of other packages included."""
    if not any(group.name == "tv-align" for group in app.registered_groups):
        command_line._add_commands_of_other_packages()
    return typer.main.get_command(app)


def leaves(command, path=()):
    for name, member in getattr(command, "commands", {}).items():
        yield from leaves(member, (*path, name)) if hasattr(member, "commands") else [((*path, name), member)]


LEAVES = dict(leaves(whole_command_line()))


@pytest.fixture(autouse=True)
def logging_as_it_was(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", os.environ.get("TQDM_DISABLE", ""))
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in OWN_LOGGERS]
    handlers = list(logging.getLogger().handlers)
    yield
    for logger, level in before:
        logger.setLevel(level)
    logging.getLogger().handlers[:] = handlers


def test_the_walk_sees_commands_and_groups():
    known = {("run",), ("leaderboard",), ("vbench", "totals"), ("train", "decoder"), ("tv-align", "sheet")}
    assert known <= set(LEAVES)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_a_command_has_each_shared_option_once_and_with_its_meaning(path):
    options = [set(parameter.opts) for parameter in LEAVES[path].params]
    for names in SHARED.values():
        assert [option for option in options if option & names] == [names]
    by_name = {parameter.name: parameter for parameter in LEAVES[path].params}
    assert all(by_name[name].is_flag for name in ("verbose", "quiet", "as_json"))
    helps = {name: by_name[name].help for name in ("verbose", "quiet", "as_json") if not by_name[name].hidden}
    of_list = {parameter.name: parameter.help for parameter in LEAVES["list",].params}
    assert helps == {name: of_list[name] for name in helps}


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_it_takes_them_before_and_after_its_name(path):
    whole = whole_command_line()
    leaf = dict(leaves(whole))[path]
    seen = []
    leaf.callback = lambda **values: seen.append(values)
    needed = [
        text
        for parameter in leaf.params
        if parameter.required and not set(parameter.opts) & NAMES
        for text in ([parameter.opts[0]] if parameter.opts[0].startswith("-") else []) + ["1"]
    ]
    given = ["-q", "-o", "there", "--json"]
    for arguments in ([*given, *path, *needed], [*path, *needed, *given], [*path, *given, *needed]):
        whole.main(arguments, standalone_mode=False)
    if len(path) == 2:
        whole.main([path[0], *given, path[1], *needed], standalone_mode=False)
        whole.main(["-q", path[0], "--out=there", path[1], "--json", *needed], standalone_mode=False)
    assert all(values == seen[0] for values in seen)
    found = {name: seen[0][name] for name in SHARED}
    assert found == {"verbose": False, "quiet": True, "out": Path("there"), "as_json": True}


def test_the_later_folder_counts():
    whole = whole_command_line()
    seen = []
    dict(leaves(whole))["report",].callback = lambda **values: seen.append(values)
    whole.main(["-o", "first", "report", "run", "-o", "second"], standalone_mode=False)
    assert seen[0]["out"] == Path("second")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["list", "-o", "x"], "list writes no file that --out could name; leave it out"),
        (["-o", "x", "doctor"], "doctor writes no file that --out could name; leave it out"),
        (["--json", "vbench", "convert", "x"], "vbench convert has no answer as JSON; leave out --json"),
        (["-q", "list", "-v"], "-v asks for more words and -q for fewer; leave one out"),
    ],
)
def test_what_a_command_cannot_have_is_one_line(arguments, line):
    whole_command_line()
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, SpecError)
    assert str(error) == line


def test_json_before_the_name_prints_the_document():
    document = json.loads(CliRunner().invoke(app, ["--json", "list", "suites"]).stdout)
    assert document["schema"] == "vtok-eval/list/1"


@pytest.mark.parametrize(
    ("verbose", "quiet", "said"),
    [
        (False, False, ["info", "warning"]),
        (True, False, ["debug", "info", "warning"]),
        (False, True, ["warning"]),
    ],
)
def test_verbosity_is_that_of_every_package(capsys, verbose, quiet, said):
    logging.getLogger().handlers.clear()
    set_verbosity(verbose=verbose, quiet=quiet)
    set_verbosity(verbose=verbose, quiet=quiet)  # a second command in one process says nothing twice
    for name in OWN_LOGGERS:
        logger = logging.getLogger(f"{name}.part")
        for say in (logger.debug, logger.info, logger.warning):
            say("%s", say.__name__)
        captured = capsys.readouterr()
        assert (captured.out, captured.err.split()) == ("", said)
    assert (os.environ["TQDM_DISABLE"] == "1") is quiet


def test_a_command_that_writes_and_answers_keeps_its_own_options():
    seen = []

    def command(out: Path = Path("here"), as_json: bool = False) -> None:
        seen.append((out, as_json))

    small = typer.Typer()
    small.command()(with_shared_options(command, "command"))
    assert CliRunner().invoke(small, ["--json"]).exit_code == 0
    assert seen == [(Path("here"), True)]


def test_what_is_said_again_and_again_is_counted(capsys):
    logging.getLogger().handlers.clear()
    logger = logging.getLogger("vtok_eval.part")
    set_verbosity(verbose=False, quiet=False)
    for number in range(50):
        logger.warning("clip %d is broken", number)
        logger.info("clip %d", number)
    for number in range(5):
        logger.warning("%s", f"system {number} changed")
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "broken" in line] == [f"clip {number} is broken" for number in range(3)]
    assert sum(line.startswith("clip") for line in lines) == 53
    assert sum(line.startswith("system") for line in lines) == 5
    say_repeats()
    assert capsys.readouterr().err == "47 more like the last: clip 49 is broken\n"
    say_repeats()
    logger.warning("clip %d is broken", 50)
    assert capsys.readouterr().err == "clip 50 is broken\n"
    set_verbosity(verbose=True, quiet=False)
    for number in range(9):
        logger.warning("clip %d is broken", number)
    assert len(capsys.readouterr().err.splitlines()) == 9


def test_a_command_says_what_was_counted_when_it_ends(capsys):
    def command() -> None:
        for number in range(9):
            logging.getLogger("vtok_eval.part").warning("clip %d is broken", number)
        raise SpecError("and then it failed")

    with pytest.raises(SpecError):
        with_shared_options(command, "command")(verbose=False, quiet=True, out=None, as_json=False)
    assert capsys.readouterr().err.splitlines()[-1] == "6 more like the last: clip 8 is broken"
