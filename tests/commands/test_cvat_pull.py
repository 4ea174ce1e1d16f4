"""`pixelproof cvat pull`: the real SDK against a server on loopback."""

from __future__ import annotations

import datetime
import email.utils
import io
import itertools
import time
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

from commands.__main__ import main
from pixelproof.core.errors import PixelproofError, StateError
from tests.commands.adding import FIRST, Clone, export, in_all, table
from tests.commands.cvat_place import pauses, server, task, tree
from tests.cvat_faults import cut, hang_up, redirect, stall, status
from tests.cvat_server import TOKEN, CvatServer, Fault, Job, serving

__all__ = ["pauses", "server"]

OTHERS = "expected CVAT's version"


def pull(tmp_path: Path, *arguments: object, out: str = "out") -> Path:
    """The command; its folder."""
    main(["cvat", "pull", *map(str, arguments or ("--project", 5)), "--out", str(tmp_path / out)])
    return tmp_path / out


def frames(folder: Path) -> list[str]:
    """The names of an export's images, in the order of the XML."""
    return [str(node.get("name")) for node in ET.parse(folder / "annotations.xml").getroot().iter("image")]


def nothing_left(tmp_path: Path) -> bool:
    """Whether no folder was begun."""
    return not list(tmp_path.iterdir())


def test_finished_frames_alone_come_with_their_photographs_and_shapes(
    server: CvatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = pull(tmp_path)
    assert frames(out / "task-7") == list(server.tasks[7].frames)
    assert frames(out / "task-8") == ["a/8-00.png", "a/8-01.png"]  # frame 2 is in an unfinished job too
    for number, kept in ((7, 6), (8, 2)):
        pictures = {f"images/{name}": pixels for name, pixels in list(server.tasks[number].frames.items())[:kept]}
        found = tree(out / f"task-{number}")
        assert {name: found[name] for name in found if name != "annotations.xml"} == pictures
        images = ET.parse(out / f"task-{number}/annotations.xml").getroot().findall("image")
        sent = ET.fromstring(server.tasks[number].xml(1)).findall("image")[:kept]
        for got, there in zip(images, sent, strict=True):
            assert got.attrib == there.attrib and [(e.tag, e.attrib, e.text) for e in got.iter("attribute")]
            assert [(e.tag, e.attrib) for e in got.iter()] == [(e.tag, e.attrib) for e in there.iter()]
            assert [e.text for e in got.iter("attribute")] == [e.text for e in there.iter("attribute")]
    assert capsys.readouterr().out.splitlines()[:2] == [
        "task 7 'flight 7': 1 of 1 jobs accepted or completed; 6 frames pulled, 0 left out",
        "task 8 'flight 8': 1 of 3 jobs accepted or completed; 2 frames pulled, 4 left out",
    ]


def test_an_unchanged_project_gives_the_same_bytes_and_a_changed_shape_others(
    server: CvatServer, tmp_path: Path
) -> None:
    first = tree(pull(tmp_path))
    text = (tmp_path / "out/task-7/annotations.xml").read_text()
    assert "anna" not in text and "2024" not in text and "/api/jobs" not in text
    assert "<id>7</id>" in text and "<subset>default</subset>" in text and "<name>car</name>" in text
    assert tree(pull(tmp_path)) == first and tree(pull(tmp_path, out="again")) == first
    assert server.now == 6
    server.tasks[7].drawn[3] = server.tasks[7].drawn[3].replace("5.03", "5.04")
    later = tree(pull(tmp_path))
    assert {name for name in later if later[name] != first[name]} == {"task-7/annotations.xml"}


def test_states_and_stages_choose_the_jobs(server: CvatServer, tmp_path: Path) -> None:
    assert frames(pull(tmp_path, "--task", 8, "--state", "in-progress") / "task-8") == ["a/8-03.png", "a/8-04.png"]
    assert frames(pull(tmp_path, "--task", 8, "--stage", "acceptance") / "task-8") == ["a/8-05.png"]
    assert len(frames(pull(tmp_path, "--task", 8, "--state", "all") / "task-8")) == 6
    with pytest.raises(StateError, match="no frame of 1 tasks is completed in acceptance; finish jobs"):
        pull(tmp_path, "--task", 8, "--stage", "acceptance", "--state", "completed")
    assert len(frames(tmp_path / "out/task-8")) == 6  # what was there stays


def test_ground_truth_and_replicas_do_not_say_that_a_frame_is_finished(server: CvatServer, tmp_path: Path) -> None:
    """Frames that only a ground truth job shows are its own to say so."""
    truth = Job(0, 5, type="ground_truth")
    jobs = [Job(0, 3, "new"), truth, Job(0, 3, type="consensus_replica"), Job(4, 4)]
    server.tasks[9] = task(9, jobs, project=None)
    assert frames(pull(tmp_path, "--task", 9) / "task-9") == ["a/9-04.png", "a/9-05.png"]
    truth.state = "new"
    assert frames(pull(tmp_path, "--task", 9) / "task-9") == ["a/9-04.png"]


def test_a_task_without_a_finished_job_is_not_exported(
    server: CvatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.tasks[8].jobs = [Job(0, 5, "new")]
    assert [path.name for path in pull(tmp_path).iterdir()] == ["task-7"]
    assert "task 8 'flight 8': 0 of 1 jobs accepted or completed; 6 frames left out" in capsys.readouterr().out
    assert server.count("POST /api/tasks/8") == 0


def test_a_finished_job_whose_frames_are_all_deleted_gives_no_folder(server: CvatServer, tmp_path: Path) -> None:
    server.tasks[8].deleted = (0, 1)
    assert [path.name for path in pull(tmp_path).iterdir()] == ["task-7"]


def test_frames_of_a_video_are_numbered_as_its_jobs_number_them(server: CvatServer, tmp_path: Path) -> None:
    """CVAT's ids count all frames of the video, from start_frame in steps; jobs count those that are used."""
    video = task(9, [Job(0, 1), Job(2, 5, "new")], project=None, first=30, step=10, ending=".PNG", deleted=(0,))
    video.frames = {f"frame_{30 + 10 * n:06}": pixels for n, pixels in enumerate(video.frames.values())}
    server.tasks[9] = video
    out = pull(tmp_path, "--task", 9) / "task-9"
    assert frames(out) == ["frame_000040"]
    assert (out / "images/frame_000040.PNG").read_bytes() == video.frames["frame_000040"]


def test_an_export_that_queues_is_waited_for(
    server: CvatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.queue = 12
    pull(tmp_path, "--task", 7)
    assert server.count("GET /api/requests/") == 13
    said = capsys.readouterr().err
    assert said.count("waits in the server's queue") == said.count("is being written by the server") == 1


def test_an_export_that_still_runs_from_before_is_waited_for(server: CvatServer, tmp_path: Path) -> None:
    server.fail("POST", *[status(409, body="Export is being processed")] * 9)
    pull(tmp_path, "--task", 7)
    assert server.count("POST") == 10


def test_a_failed_export_says_why(server: CvatServer, tmp_path: Path) -> None:
    def failed(handler: object) -> bool:
        body = {
            "status": "failed",
            "id": "x",
            "message": f"no space left {TOKEN}",
            "created_date": "2024-05-01T10:00:00Z",
        }
        operation = {"type": "export:dataset", "target": "task", "task_id": 7, "format": "x"}
        return status(200, body={**body, "operation": operation})(handler)  # type: ignore[arg-type]

    server.fail("/api/requests", failed)
    with pytest.raises(StateError, match=r"task 7: the server could not export it: no space left \*\*\*; export"):
        pull(tmp_path, "--task", 7)
    assert nothing_left(tmp_path)


PARTS = ("/api/server/about", "/api/jobs", "POST", "/api/requests", "dataset/download")
FAULTS = (status(429, "2"), status(500), status(503), hang_up)


@pytest.mark.parametrize(("part", "fault"), list(itertools.product(PARTS, FAULTS)))
def test_a_busy_or_failing_server_is_asked_again(
    server: CvatServer, tmp_path: Path, pauses: list[float], part: str, fault: Fault
) -> None:
    if (part, fault) == (PARTS[0], hang_up):  # the first answer says whether there is a server at all
        part = "/api/users"
    server.fail(part, fault, fault)
    assert len(frames(pull(tmp_path, "--task", 7) / "task-7")) == 6
    assert pauses[:2] == ([2, 2] if fault is FAULTS[0] else [0.01, 0.02])


def test_a_date_to_wait_for_is_understood_and_a_long_wait_is_an_error(
    server: CvatServer, tmp_path: Path, pauses: list[float]
) -> None:
    soon = datetime.datetime.fromtimestamp(time.time() + 4, datetime.UTC)
    server.fail("/api/jobs", status(429, email.utils.format_datetime(soon, usegmt=True)))
    pull(tmp_path, "--task", 7)
    assert 2 < pauses[0] <= 4
    server.fail("/api/jobs", status(429, "3600"))
    with pytest.raises(StateError, match=r"/api/jobs: the server answered 429 .* and asks to wait 3600 s; try again"):
        pull(tmp_path, "--task", 7)


def test_patience_ends(server: CvatServer, tmp_path: Path, pauses: list[float]) -> None:
    server.fail("/api/jobs", *[status(500)] * 9)
    with pytest.raises(StateError, match=r"/api/jobs: the server answered 500 .*; 4 attempts in a row failed"):
        pull(tmp_path, "--task", 7)
    assert server.count("/api/jobs") == 4 and pauses == [0.01, 0.02, 0.04] and nothing_left(tmp_path)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_is_resumed_where_the_server_allows_it(server: CvatServer, tmp_path: Path, ranges: bool) -> None:
    server.ranges = ranges
    server.fail("dataset/download", cut(300), cut(200) if ranges else cut(400), hang_up)
    pull(tmp_path, "--task", 7)
    assert server.range_headers == [None, "bytes=300-", f"bytes={500 if ranges else 400}-"]
    server.range_headers.clear()
    assert tree(tmp_path / "out/task-7").keys() == {"annotations.xml", *(f"images/{n}" for n in server.tasks[7].frames)}


def test_a_download_that_brings_nothing_ends(server: CvatServer, tmp_path: Path) -> None:
    server.fail("dataset/download", *[cut(300)] + [cut(0)] * 9)
    with pytest.raises(StateError, match="the connection broke; 4 attempts in a row brought nothing"):
        pull(tmp_path, "--task", 7)
    assert nothing_left(tmp_path)


def test_another_range_than_was_asked_for_is_not_appended(
    server: CvatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(handler: object) -> bool:
        handler.bytes(b"x" * 50, 206, Content_Range="bytes 7-56/900")  # type: ignore[attr-defined]
        return True

    server.fail("dataset/download", cut(300), wrong)
    pull(tmp_path, "--task", 7)
    assert server.range_headers == [None, None]
    assert "not a whole zip" not in capsys.readouterr().err


def test_what_is_no_zip_is_never_kept(server: CvatServer, tmp_path: Path) -> None:
    server.fail("dataset/download", status(200, body="<html>"), status(200, body="<html>"))
    pull(tmp_path, "--task", 7)
    server.fail("dataset/download", *[status(200, body="<html>")] * 9)
    with pytest.raises(StateError, match="not a whole zip"):
        pull(tmp_path, "--task", 7, out="other")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_stall_is_noticed(server: CvatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.commands import cvat_place

    def hasty(self: object, **given: object) -> None:
        cvat_place.quick_init(self, **{"stall": 0.2, **given})  # type: ignore[arg-type]

    monkeypatch.setattr("commands._cvat.transport.Patience.__init__", hasty)
    server.fail("/api/jobs", stall(0.6))
    pull(tmp_path, "--task", 7)
    assert server.count("/api/jobs") == 2


@pytest.mark.parametrize(
    ("part", "fault", "message"),
    [
        ("/api/users/self", status(401), "CVAT_ACCESS_TOKEN: http.* does not accept it \\(401\\): expired, revoked"),
        ("/api/server/about", status(401), "CVAT_ACCESS_TOKEN: .*; make one in CVAT under your profile, Security"),
        ("POST", status(403), "/api/tasks/7/dataset/export: the token's owner may not do that \\(403\\): as"),
        ("/api/jobs", status(401), "CVAT_ACCESS_TOKEN: .* expired"),
        ("dataset/download", status(404), "download: no such thing, or hidden from the token's owner \\(404\\): as"),
        ("/api/jobs", status(400), "/api/jobs: the server answered 400 Bad Request: as planned; see"),
        ("/api/jobs", status(400, raw=b"[" * 99999), "/api/jobs: the server answered 400 Bad Request; see"),
        ("/api/server/about", status(200, raw=b"[" * 99999), f"{OTHERS}, found the answer 200"),
        ("/api/server/about", status(404), f"/api/server/about: {OTHERS}, found the answer 404 that is none of CVAT's"),
        ("/api/server/about", status(200, body={"version": "x"}), f"{OTHERS}, found the answer 200"),
        ("/api/server/about", status(200, body=["a"]), f"{OTHERS}, found the answer 200"),
        ("/api/jobs", status(200, body={"hello": "there"}), "expected an answer of CVAT 2.80.0, found one that cvat"),
        ("/api/jobs", status(200, body="<html>"), "expected an answer of CVAT 2.80.0, found one that cvat"),
    ],
)  # fmt: skip
def test_what_cannot_be_helped_is_one_line_and_leaves_nothing(
    server: CvatServer, tmp_path: Path, part: str, fault: Fault, message: str
) -> None:
    server.fail(part, fault)
    with pytest.raises(PixelproofError, match=message) as raised:
        pull(tmp_path, "--task", 7)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500 and nothing_left(tmp_path)


@pytest.mark.parametrize("version", ["2.47.1", "3.0.0", "1.7"])
def test_another_version_is_refused(server: CvatServer, tmp_path: Path, version: str) -> None:
    server.version = version
    with pytest.raises(StateError, match=f"expected CVAT 2.48 or newer, below 3, found {version}; update"):
        pull(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--project", 6), "/api/projects/6: no such thing, or hidden .*No Project matches.*; check the number"),
        (("--task", 60), "/api/tasks/60: no such thing"),
        (("--state", "all"), "neither a project nor a task; give --project or --task"),
        (("--task", "x"), "expected a whole number above 0, found 'x'"),
    ],
)
def test_wrong_arguments_are_one_line(
    server: CvatServer, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(PixelproofError, match=message):
        pull(tmp_path, *arguments)


def test_a_folder_of_others_is_not_replaced(server: CvatServer, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(StateError, match=r"it holds notes\.txt, which this command did not write"):
        pull(tmp_path)
    assert tree(tmp_path / "out") == {"notes.txt": b"mine"} and not server.asked


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda xml: xml.replace("</meta>", ""), "expected well-formed XML"),
        (lambda xml: xml.replace("<?xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><?xml", 1), "expected well-formed XML"),
        (lambda xml: xml.replace('id="3"', 'id="2"'), "each once, as ids of images, found '2'"),
        (lambda xml: xml.replace('id="3"', 'id="-3"'), "expected a whole number as id, found '-3'"),
        (lambda xml: xml.replace('id="3"', f'id="{"3" * 5000}"'), f"expected a whole number as id, found '{'3' * 59};"),
        (
            lambda xml: xml.replace("</image>", "<a>" * 3000 + "</a>" * 3000 + "</image>"),
            "task-7.zip: annotations.xml: .*ne",
        ),
        (lambda xml: xml.replace("7-03.png", "7-33.png"), "7-33.png: expected a photograph, found no such file"),
        (lambda xml: xml.replace("7-03.png", "../../7.png"), "expected a photograph, found no such file"),
        (lambda xml: xml.replace("task>", "project>"), "expected the annotations of one task's images"),
    ],
)
def test_a_damaged_export_is_one_line_and_leaves_nothing(
    server: CvatServer, tmp_path: Path, damage: object, message: str
) -> None:
    def damaged(now: int) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("annotations.xml", damage(server.tasks[7].xml(now)))  # type: ignore[operator]
            for name, pixels in server.tasks[7].frames.items():
                archive.writestr(f"images/{name}", pixels)
        return content.getvalue()

    server.tasks[7].archive = damaged  # type: ignore[method-assign]
    with pytest.raises(PixelproofError, match=message):
        pull(tmp_path, "--task", 7)
    assert nothing_left(tmp_path)


def test_a_file_at_another_host_is_fetched_without_the_token(server: CvatServer, tmp_path: Path) -> None:
    """By a redirect, and where CVAT itself names another host; a request to the API is not sent on at all."""
    other = CvatServer()
    zipped = server.tasks[7].archive(0)
    with serving(other):
        elsewhere = other.url.replace("127.0.0.1", "localhost")

        def storage(handler: object) -> bool:
            handler.bytes(zipped)  # type: ignore[attr-defined]
            return True

        other.fail("bucket", storage)
        server.fail("dataset/download", redirect(f"{elsewhere}/bucket/7.zip?signature=s3cret"))
        pull(tmp_path, "--task", 7)
        other.fail("dataset/download", storage)
        server.result_host = elsewhere
        pull(tmp_path, "--task", 7)
        assert other.tokens == [("/bucket/7.zip?signature=s3cret", None), (other.asked[1][1], None)]
        server.fail("/api/jobs", redirect(f"{elsewhere}/api/jobs?signature=s3cret"))
        with pytest.raises(StateError, match=f"redirects to {elsewhere}; set CVAT_HOST to {elsewhere} if"):
            pull(tmp_path, "--task", 7)
        assert len(other.asked) == 2


def test_a_redirect_within_the_server_is_followed_and_a_loop_ends(server: CvatServer, tmp_path: Path) -> None:
    server.fail("/api/tasks/7", redirect("/api/tasks/7?again=1"))
    pull(tmp_path, "--task", 7)
    server.fail("/api/tasks/7", *[redirect("/api/tasks/7")] * 9)
    with pytest.raises(StateError, match="more than 5 redirects"):
        pull(tmp_path, "--task", 7)


def test_a_file_is_not_fetched_without_encryption_from_elsewhere(server: CvatServer, tmp_path: Path) -> None:
    server.fail("dataset/download", redirect("http://files.example.org/7.zip"))
    with pytest.raises(StateError, match=r"redirects to http://files\.example\.org, without encryption"):
        pull(tmp_path, "--task", 7)


def test_a_server_that_does_not_know_its_address_is_reached_all_the_same(server: CvatServer, tmp_path: Path) -> None:
    """Behind a proxy, CVAT names its files with the scheme and port of the inside."""
    server.result_host = "https://127.0.0.1:8080"
    pull(tmp_path, "--task", 7)


def test_what_is_pulled_is_added_and_nothing_changes_the_second_time(
    server: CvatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = Clone.at(tmp_path / "clone")
    clone.told(export(FIRST, "12").zip(tmp_path / "a.zip"))
    monkeypatch.chdir(clone.folder)
    main(["cvat", "pull", "--project", "5"])
    assert in_all(table(capsys.readouterr().out.splitlines())) == (8, 0, 0, 24)
    before = clone.files()
    for again in (["cvat", "pull", "--project", "5"], ["add", "cvat:7"]):
        main(again)
        assert "nothing changed" in capsys.readouterr().out and clone.files() == before
