"""`vtok-eval check`: every broken promise is found, named, and comes with the line that mends it."""

import json

import pytest
import torch
from typer.testing import CliRunner

from tests.vtok_eval.checks import faulty_tokenizers as faulty
from vtok_eval.checks.contract_search import find_contract
from vtok_eval.checks.findings import CheckStatus
from vtok_eval.checks.tokenizer import check_tokenizer
from vtok_eval.cli.main import app
from vtok_eval.data import Clip, Clips
from vtok_eval.inputs.accepts import Accepts


def clips(n_frames: int = 16, size: int = 64) -> list[Clip]:
    generator = torch.Generator().manual_seed(1)
    shape = (3, n_frames, 3, size, size)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    frames = frames // torch.tensor([1, 2, 3])[:, None, None, None, None].to(torch.uint8)
    return [Clip(frames=clip, fps=8.0) for clip in frames]


def broken(tokenizer, **size) -> dict[str, tuple[str, str]]:
    report = check_tokenizer(tokenizer, clips(**size), spec="it")
    found = {f.name: (f.detail, f.fix) for f in report.findings if f.status is CheckStatus.BROKEN}
    assert report.ok is (not found)
    return found


def test_a_sound_tokenizer_keeps_every_promise():
    report = check_tokenizer(faulty.Sound(), clips(), spec="sound")
    assert [finding.name for finding in report.findings if finding.status is not CheckStatus.OK] == []
    assert report.measured["tokens per clip"] == 16
    assert report.measured["width"] == 3
    assert report.measured["bits per clip"] == 16 * 3 * 32
    assert report.as_text().splitlines()[-1] == "sound: the protocol is kept"


@pytest.mark.parametrize(
    ("tokenizer", "promise", "detail", "fix"),
    [
        (faulty.Causal(), "encodes a clip", "T must be 1+4k, got 16", 'Accepts(frames="1+4k"'),
        (faulty.Hopeless(), "encodes a clip", "weights are not loaded", "no other length or size worked"),
        (
            faulty.Truncating(),
            "decodes to clips of the same length and size",
            "(1, 13, 3, 64, 64) of (1, 16, 3, 64, 64)",
            'Accepts(frames="1+4k", size=(64, 64))',
        ),
        (faulty.InPlace(), "leaves its input as it is", "in place", ".clone()"),
        (faulty.Random(), "gives equal results twice in a row", "values differ", ".eval()"),
        (faulty.BatchNormalised(), "gives a clip equal tokens alone and in a batch", "differ", "batch"),
        (faulty.OneByOne(), "gives a clip equal tokens alone and in a batch", "one clip", "any number"),
        (faulty.Stateful(), "keeps no state between calls, nor after a failed one", "differ", "clear"),
        (faulty.Poisoned(), "keeps no state between calls, nor after a failed one", "slicing", "clear"),
        (faulty.NotFinite(), "gives finite values for black, white and noise", "black: ", "constant"),
        (faulty.Overflowing(), "has values that half precision holds", "e+05", "scaling factor"),
        (
            faulty.FloatDecoder(),
            "decodes to clips of the same length and size",
            "torch.float32, not torch.uint8",
            "(frames + 1) * 127.5",
        ),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "encode") and not isinstance(value, str) else "",
)
def test_a_broken_promise_is_named_with_the_line_that_mends_it(tokenizer, promise, detail, fix):
    found = broken(tokenizer)
    assert promise in found
    assert detail in found[promise][0]
    assert fix in found[promise][1]


def test_codes_keep_every_promise_and_are_measured_as_codes():
    report = check_tokenizer(faulty.Coded(), clips(), spec="coded")
    assert [finding.name for finding in report.findings if finding.status is not CheckStatus.OK] == []
    assert report.measured["bits per clip"] == 16 * 3 * 8
    assert report.measured["bits per token"] == 24
    assert report.measured["code book"] == "3 x 256"
    assert "16 codes of 3 x 256 entries" in report.findings[0].detail


@pytest.mark.parametrize(
    ("tokenizer", "promise", "detail"),
    [
        (
            faulty.ChangingQuantisers(),
            "gives every clip tokens of one width, or codes of the same code books",
            "codes of 2 x 256 entries for a clip of 1 frames, codes of 3 x 256 entries for the first",
        ),
        (faulty.RandomCodes(), "gives equal results twice in a row", "2.08 % of the codes differ"),
        (faulty.OutOfRange(), "encodes a clip", "codes of quantiser 0 must be 0 to 255"),
    ],
)
def test_a_broken_promise_about_codes_is_named(tokenizer, promise, detail):
    torch.manual_seed(0)  # RandomCodes draws from the default generator
    assert detail in broken(tokenizer)[promise][0]


def test_a_contract_makes_a_causal_tokenizer_sound():
    assert broken(faulty.Contracted()) == {}


@pytest.mark.parametrize(
    ("tokenizer", "contract"),
    [
        (faulty.Causal(size=40), Accepts(frames="1+4k", size=(40, 40))),
        (faulty.Multiples(), Accepts(size="8k")),
        (faulty.Hopeless(), None),
    ],
)
def test_the_contract_that_seems_to_be_needed(tokenizer, contract):
    size = 40 if isinstance(tokenizer, faulty.Causal) else 64
    assert find_contract(tokenizer, Clips.stack(clips(size=size))) == contract


def write_user_file(folder, body: str):
    path = folder / "mine.py"
    path.write_text(
        "import torch\nimport vtok_eval\nfrom vtok_eval import Clips, Tokens\n\n\nclass Mine:\n" + body,
        encoding="utf-8",
    )
    return path


CAUSAL = (
    "    def encode(self, clips):\n"
    "        if clips.n_frames % 4 != 1:\n"
    "            raise ValueError(f'T must be 1+4k, got {clips.n_frames}')\n"
    "        return Tokens.of(clips.frames.float().mean(dim=(3, 4)) / 255)\n"
)


def test_the_line_it_names_is_the_line_that_helps(tmp_path):
    path = write_user_file(tmp_path, CAUSAL)
    arguments = ["check", f"{path}:Mine", "--device", "cpu", "--frames", "8"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["ok"] is False
    (fix,) = [finding["fix"] for finding in report["findings"] if finding["fix"]]
    assert fix == 'accepts = vtok_eval.Accepts(frames="1+4k")'
    write_user_file(tmp_path, f"    {fix}\n\n{CAUSAL}")
    mended = CliRunner().invoke(app, arguments)
    assert mended.exit_code == 0, mended.stdout
    assert "the protocol is kept" in mended.stdout
