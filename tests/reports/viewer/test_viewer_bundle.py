"""The bundle holds every record; the server answers with the same files, and to nobody else."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

import pytest

from reports.viewer.bundle import write_viewer
from reports.viewer.samples import DETAILS_IN_A_FILE, sample_groups, script
from reports.viewer.server import make_server
from tests.reports.made_up_run import run_json
from vtok_eval.errors import RunFolderError
from vtok_eval.results.store import RunFolder


class Pictures:
    """Says which sample was asked for."""

    def of(self, benchmark: str, sample_id: str, systems: Sequence[str]) -> Mapping[str, object]:
        return {"truth": {"pan": "left"}, "strips": [], "notes": [f"{benchmark} {sample_id} {len(systems)}"]}


def content_of(text: str) -> list[object]:
    """The arguments of the call that a script of the bundle makes."""
    return json.loads("[" + text[text.index("(") + 1 : text.rindex(")")] + "]")


def test_groups_hold_every_record(finished_run):
    groups = sample_groups([finished_run.path])
    assert [group.benchmark for group in groups] == ["understanding-scenes", "efficiency", "vbench"]
    held = {
        (record.benchmark, record.system, record.sample_id)
        for group in groups
        for found in group.records.values()
        for record in found
        if record is not None
    }
    assert held == {(r.benchmark, r.system, r.sample_id) for r in finished_run.raw_records()}


def test_the_overview_and_the_details_agree_with_the_records(finished_run):
    group = sample_groups([finished_run.path])[0]
    overview = group.overview()
    details = [sample for _, piece in group.details() for sample in piece]
    assert len(details) == len(group.sample_ids) == 160
    assert [piece for piece, _ in group.details()] == list(range(-(-160 // DETAILS_IN_A_FILE)))
    for record in finished_run.raw_records():
        if record.benchmark != group.benchmark:
            continue
        i = group.sample_ids.index(record.sample_id)
        assert details[i][record.system]["values"] == {k: list(v) for k, v in record.values.items()}
        assert overview["states"][record.system][i] == ("o" if record.status == "ok" else "f")
        for name, (value,) in record.values.items():
            assert overview["values"][name][record.system][i] == pytest.approx(value, abs=1e-4)


def test_the_most_disputed_come_first(finished_run):
    group = sample_groups([finished_run.path])[0]
    first, *_, last = group.most_disputed(160)

    def spread(i):
        names = [m.name for m in group.metrics if not m.mean_of]
        every = [[r.values[n][0] for r in f.values() if r is not None and n in r.values] for n in names
                 for f in [{k: v[i] for k, v in group.records.items()}]]  # fmt: skip
        return sum(max(values) - min(values) for values in every if values)

    assert spread(first) >= spread(last)
    assert len(group.most_disputed(5)) == 5


def test_a_bundle_has_the_clips_that_were_asked_for(finished_run, tmp_path):
    page = write_viewer([finished_run.path], tmp_path / "out", {finished_run.path: Pictures()}, clips=2)
    assert page.is_file()
    clips = sorted(path.relative_to(page.parent).as_posix() for path in page.parent.glob("clips/*/*.js"))
    assert len(clips) == 6
    group, sample, found = content_of((page.parent / clips[0]).read_text())
    benchmark, name, n_systems = found["notes"][0].split()
    assert (group, benchmark, n_systems) == (0, "understanding-scenes", "11")
    (overview,) = content_of((page.parent / "data.js").read_text())
    assert name == overview[0]["samples"][sample]
    assert sample in overview[0]["clips"]


def test_scripts_cannot_be_broken_out_of():
    text = script("viewer.clips", 0, {"</script>": "\u2028<!--"})
    assert "\u2028" not in text
    assert content_of(text) == [0, {"</script>": "\u2028<!--"}]


def test_a_run_without_records_is_one_line(tmp_path):
    folder = RunFolder.create(tmp_path / "empty", run_json())
    with pytest.raises(RunFolderError, match="no sample has a record yet"):
        sample_groups([folder.path])


@pytest.fixture
def address(finished_run):
    server = make_server([finished_run.path], {finished_run.path: Pictures()}, port=0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_server_gives_the_page_and_makes_clips(address):
    with urllib.request.urlopen(f"{address}/") as reply:
        assert b"<title>Samples" in reply.read()
    with urllib.request.urlopen(f"{address}/clips/0/3.js") as reply:
        group, sample, found = content_of(reply.read().decode())
    assert (group, sample) == (0, 3)
    assert found["notes"] == ["understanding-scenes test-0003 11"]


@pytest.mark.parametrize(
    "path", ["/clips/0/100000.js", "/clips/9/0.js", "/../pyproject.toml", "/clips/0/-1.js", "/none"]
)
def test_what_is_not_there_is_not_found(address, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(address + path)


def test_another_name_for_this_machine_is_refused(address):
    request = urllib.request.Request(address, headers={"Host": "evil.example:80"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)


def test_a_port_that_is_taken_is_one_line(finished_run, address):
    port = int(address.rpartition(":")[2])
    with pytest.raises(RunFolderError, match=f"port {port} cannot be used .*--port"):
        make_server([finished_run.path], {}, port=port)
