"""A small CVAT: an HTTP server on loopback that answers what the SDK asks of CVAT 2.80. Its faults: cvat_faults.py."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import quoteattr

TOKEN = "pat.Zx81-secret-0123456789abcdef"
DATE = "2024-05-01T10:00:00.000000Z"
STORAGE = {"id": 1, "location": "local", "cloud_storage_id": None}


@dataclass
class Job:
    """A job: its frames, from `start` to `stop` inclusive, and how far it is."""

    start: int
    stop: int
    state: str = "completed"
    stage: str = "annotation"
    type: str = "annotation"
    updated: str = DATE


@dataclass
class Task:
    """A task of images of one size."""

    id: int
    frames: dict[str, bytes]  # names as in the XML
    jobs: list[Job]
    project: int | None = None
    size: tuple[int, int] = (8, 6)
    labels: list[dict[str, Any]] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)  # as the API has them
    tracks: list[dict[str, Any]] = field(default_factory=list)  # too
    drawn: dict[int, str] = field(default_factory=dict)  # XML by frame, as exported
    first: int = 0  # CVAT's start_frame
    step: int = 1
    ending: str = ""  # of a video's frames, whose names in the XML lack it
    chunk: int = 2
    deleted: tuple[int, ...] = ()
    updated: str = DATE

    def xml(self, now: int) -> str:
        """annotations.xml as CVAT writes it at some time."""
        numbers = [number for number in range(len(self.frames)) if number not in self.deleted]
        names = list(self.frames)
        size = f'width="{self.size[0]}" height="{self.size[1]}"'
        images = "".join(
            f'  <image id="{self.first + self.step * n}" name={quoteattr(names[n])} {size}>\n'
            f"{self.drawn.get(n, '')}  </image>\n"
            for n in numbers
        )
        labels = "".join(f"<label><name>{each['name']}</name></label>" for each in self.labels)
        return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>{self.id}</id>
      <name>flight {self.id}</name>
      <size>{len(self.frames)}</size>
      <mode>annotation</mode>
      <overlap>0</overlap>
      <bugtracker></bugtracker>
      <created>2024-05-01 10:00:00+00:00</created>
      <updated>2024-05-02 10:00:{now:02}+00:00</updated>
      <subset>default</subset>
      <start_frame>{self.first}</start_frame>
      <stop_frame>{self.first + self.step * (len(self.frames) - 1)}</stop_frame>
      <frame_filter>{f"step={self.step}" if self.step > 1 else ""}</frame_filter>
      <segments><segment><id>{now}</id><start>0</start><stop>1</stop><url>http://cvat/api/jobs/1</url></segment></segments>
      <owner><username>anna</username><email>anna{now}@example.org</email></owner>
      <assignee></assignee>
      <labels>{labels}</labels>
    </task>
    <dumped>2024-05-03 11:00:{now:02}+00:00</dumped>
  </meta>
{images}</annotations>
"""

    def archive(self, now: int) -> bytes:
        """The export: in another order and with other times whenever it is made."""
        content = io.BytesIO()
        files = [("annotations.xml", self.xml(now).encode())]
        files += [
            (f"images/{name}{self.ending}", pixels)
            for number, (name, pixels) in enumerate(self.frames.items())
            if number not in self.deleted
        ]
        with zipfile.ZipFile(content, "w") as archive:
            for name, each in files[:: -1 if now % 2 else 1]:
                archive.writestr(zipfile.ZipInfo(name, (2024, 5, 3, 11, 0, 2 * now)), each)
        return content.getvalue()


Fault = Callable[["Handler"], bool]  # answers the request itself and returns True, or leaves it to the server


class CvatServer(ThreadingHTTPServer):
    """The server: its tasks, what was asked, and what goes wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port of this machine."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.tasks: dict[int, Task] = {}
        self.version, self.ranges, self.queue = "2.80.0", True, 0
        self.result_host: str | None = None
        self.asked: list[tuple[str, str]] = []  # method, path with query
        self.tokens: list[tuple[str, str | None]] = []  # path, Authorization
        self.range_headers: list[str | None] = []  # of downloads
        self.faults: list[tuple[str, Fault]] = []  # a part of `METHOD path`, each used once
        self.exports: dict[str, tuple[int, int, bytes]] = {}  # by request: task, looks until it is done, zip
        self.now = 0

    @property
    def url(self) -> str:
        """The address to give the client."""
        return f"http://127.0.0.1:{self.server_port}"

    def count(self, part: str) -> int:
        """How many requests contain a text."""
        return sum(part in f"{method} {path}" for method, path in self.asked)

    def fail(self, part: str, *faults: Fault) -> None:
        """The next requests that contain a text go wrong, one fault each."""
        self.faults += [(part, fault) for fault in faults]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are expected here."""


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits for 40 ms
    server: CvatServer

    def log_message(self, format: str, *args: Any) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        """Read."""
        self._handle("GET")

    def do_POST(self) -> None:
        """Start an export."""
        self._handle("POST")

    def do_PATCH(self) -> None:
        """Add or delete annotations."""
        self._handle("PATCH")

    def json(self, value: Any, status: int = 200, **headers: str) -> None:
        """Answer with JSON."""
        self.bytes(json.dumps(value).encode(), status, **{"Content-Type": "application/json", **headers})

    def bytes(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer with bytes."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _handle(self, method: str) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server, path = self.server, urlsplit(self.path).path
        self.query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        server.asked.append((method, self.path))
        server.tokens.append((self.path, self.headers.get("Authorization")))
        for entry in server.faults:
            if entry[0] in f"{method} {self.path}":
                server.faults.remove(entry)
                if entry[1](self):
                    return
                break
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.json({"detail": "Invalid token."}, 401)
            return
        parts = path.strip("/").split("/")[1:]
        answer = getattr(self, f"_{method.lower()}_{parts[0]}", None)
        if answer is None:
            self.json({"detail": "Not found."}, 404)
        else:
            answer(*parts[1:])

    def _get_server(self, *_: str) -> None:
        about = {"name": "CVAT", "description": "", "version": self.server.version, "logo_url": "", "subtitle": ""}
        self.json(about)

    def _get_users(self, *_: str) -> None:
        self.json({"id": 1, "username": "anna", "url": self.server.url, "groups": []})

    def _get_projects(self, number: str) -> None:
        if not any(task.project == int(number) for task in self.server.tasks.values()):
            self.json({"detail": "No Project matches the given query."}, 404)
            return
        tasks, labels = {"url": "", "count": 1}, {"url": ""}
        self.json({"id": int(number), "name": "fields", "tasks": tasks, "labels": labels, "organization": None})

    def _get_tasks(self, number: str = "", *rest: str) -> None:
        tasks = self.server.tasks
        if not number:
            of = [task for task in tasks.values() if task.project == int(self.query["project_id"])]
            page = int(self.query.get("page", 1))  # one a page, to see that all are read
            shown = [self._task(task) for task in of[page - 1 : page]]
            following = self.server.url if page < len(of) else None
            self.json({"count": len(of), "next": following, "previous": None, "results": shown})
        elif int(number) not in tasks:
            self.json({"detail": "No Task matches the given query."}, 404)
        elif not rest:
            self.json(self._task(tasks[int(number)]))
        else:
            _TASK[rest](self, tasks[int(number)])

    def _post_tasks(self, number: str, *rest: str) -> None:
        assert rest == ("dataset", "export")
        assert self.query["format"] == "CVAT for images 1.1" and self.query["save_images"] in ("True", "true")
        server = self.server
        server.now += 1
        request = f"action=export&target=task&target_id={number}&n={server.now}"
        server.exports[request] = (int(number), server.queue, server.tasks[int(number)].archive(server.now))
        self.json({"rq_id": request}, 202)

    def _get_requests(self, request: str) -> None:
        from urllib.parse import unquote

        server, request = self.server, unquote(request)
        task, looks, archive = server.exports[request]
        states = ["finished", "started"] if looks < 2 else ["queued"]
        server.exports[request] = (task, max(0, looks - 1), archive)
        host = server.result_host or server.url
        done = {"result_url": f"{host}/api/tasks/{task}/dataset/download?rq_id={server.now}"} if not looks else {}
        state = states[-1] if looks else "finished"
        operation = {"type": "export:dataset", "target": "task", "task_id": task, "format": "CVAT for images 1.1"}
        self.json({"status": state, "id": request, "message": "", "operation": operation, "created_date": DATE, **done})

    def _get_labels(self) -> None:
        empty: dict[str, Any] = {"type": "any", "attributes": [], "sublabels": [], "color": "#ff0000"}
        labels = [{**empty, **each} for each in self.server.tasks[int(self.query["task_id"])].labels]
        self.json({"count": len(labels), "next": None, "previous": None, "results": labels})

    def _get_jobs(self) -> None:
        task = self.server.tasks[int(self.query["task_id"])]
        results = [
            {
                "id": 100 * task.id + number, "task_id": task.id, "start_frame": job.start, "stop_frame": job.stop,
                "stage": job.stage, "state": job.state, "type": job.type, "issues": {"url": "", "count": 0},
                "labels": {"url": ""}, "organization": None, "updated_date": job.updated,
            }
            for number, job in enumerate(task.jobs)
        ]  # fmt: skip
        self.json({"count": len(results), "next": None, "previous": None, "results": results})

    def _patch_tasks(self, number: str, *rest: str) -> None:
        assert rest == ("annotations",)
        task, sent = self.server.tasks[int(number)], json.loads(self.body)
        if self.query["action"] == "create":
            start = max((shape["id"] for shape in task.shapes), default=0) + 1
            task.shapes += [{**shape, "id": start + each} for each, shape in enumerate(sent["shapes"])]
        else:
            gone = {shape["id"] for shape in sent["shapes"]}
            task.shapes = [shape for shape in task.shapes if shape["id"] not in gone]
        self.json({"version": 1, "tags": [], "shapes": sent["shapes"], "tracks": []})

    def _task(self, task: Task) -> dict[str, Any]:
        mode = "interpolation" if task.ending else "annotation"
        return {
            "id": task.id, "name": f"flight {task.id}", "size": len(task.frames), "dimension": "2d", "subset": "",
            "jobs": {"url": "", "count": len(task.jobs), "completed": 0, "validation": 0}, "labels": {"url": ""},
            "project_id": task.project, "organization": None, "mode": mode, "status": "annotation",
            "data_chunk_size": task.chunk, "data_original_chunk_type": "imageset", "updated_date": task.updated,
            "created_date": DATE, "target_storage": STORAGE, "source_storage": STORAGE,
        }  # fmt: skip

    def _meta(self, task: Task) -> None:
        width, height = task.size
        frames = [{"name": name, "width": width, "height": height, "related_files": 0} for name in task.frames]
        self.json(
            {
                "chunks_updated_date": DATE, "frames": frames, "deleted_frames": list(task.deleted),
                "size": len(frames), "start_frame": 0, "stop_frame": len(frames) - 1, "frame_filter": "",
                "chunk_size": task.chunk, "image_quality": 70, "included_frames": None,
            }
        )  # fmt: skip

    def _annotations(self, task: Task) -> None:
        self.json({"version": 0, "tags": [], "shapes": task.shapes, "tracks": task.tracks})

    def _chunk(self, task: Task) -> None:
        assert (self.query["type"], self.query["quality"]) == ("chunk", "original")
        content, start = io.BytesIO(), int(self.query["number"]) * task.chunk
        with zipfile.ZipFile(content, "w") as archive:
            for number, pixels in enumerate(list(task.frames.values())[start : start + task.chunk]):
                archive.writestr(f"{number:06}.png", pixels)
        self.bytes(content.getvalue(), Content_Type="application/zip")

    def _download(self, task: Task) -> None:
        archive = next(each for of, _, each in reversed(self.server.exports.values()) if of == task.id)
        self.server.range_headers.append(wanted := self.headers.get("Range"))
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if start:
            self.bytes(archive[start:], 206, Content_Range=f"bytes {start}-{len(archive) - 1}/{len(archive)}")
        else:
            self.bytes(archive)


_TASK: dict[tuple[str, ...], Callable[[Handler, Task], None]] = {
    ("data", "meta"): Handler._meta,
    ("annotations",): Handler._annotations,
    ("data",): Handler._chunk,
    ("dataset", "download"): Handler._download,
}


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Answer in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
