"""What a newcomer runs first: the README's commands, CI's, and which Python tox gives an environment."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SET_UP = "python3 -m venv .venv && .venv/bin/pip install tox tox-uv && .venv/bin/tox run"


def test_the_readmes_commands_begin_with_an_environment():
    commands = re.findall(r"^python3 -m .*$", README, flags=re.MULTILINE)
    assert commands == [f"{SET_UP} -e demo", SET_UP, f"{SET_UP} -e demo-reader"]
    # With "externally managed" Pythons (Debian, Ubuntu, Homebrew) pip installs into environments only.
    assert not re.search(r"python3? -m pip", README)


def test_ci_runs_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert SET_UP in script.splitlines()
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        (("3.11", "3.12", "3.13"), "3.11"),
        (("3.12", "3.13"), "3.12"),
        (("3.10", "3.13"), "3.13"),
        ((), "3.11"),  # uv may download it
    ],
)
def test_the_demo_runs_under_what_is_installed(installed, chosen):
    pytest.importorskip("tox")
    spec = importlib.util.spec_from_file_location("toxfile", ROOT / "toxfile.py")
    toxfile = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toxfile)
    assert toxfile.chosen_python(installed.__contains__) == chosen
