"""Serves the page of some runs' samples on this machine; clips are made when they are looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from reports.viewer.bundle import ClipPictures, clip_script, page_files
from reports.viewer.samples import SampleGroup, sample_groups
from vtok_eval.errors import RunFolderError

_CLIP = re.compile(r"clips/(\d+)/(\d+)\.js")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def make_server(
    runs: Sequence[Path], pictures: Mapping[Path, ClipPictures], *, port: int
) -> ThreadingHTTPServer:
    """A server on 127.0.0.1, ready for `serve_forever`; it answers requests to its own address alone.

    port: 0 takes a free one.

    Raises:
        RunFolderError: a run cannot be read, or the port is taken.
    """
    groups = sample_groups(runs)
    files = dict(page_files(groups, shown=None))
    making = Lock()

    class Handler(BaseHTTPRequestHandler):
        server_version = "vtok-eval"

        def do_GET(self) -> None:
            """Answer with a file of the page, or with a sample's clips."""
            host = (self.headers.get("Host") or "").rpartition(":")[0]
            if host not in {"127.0.0.1", "localhost"}:  # another site's name that points here
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            name = self.path.partition("?")[0].lstrip("/") or "index.html"
            content = files.get(name)
            if content is None:
                with making:  # networks decode one sample at a time
                    content = _clips(groups, pictures, name)
            if content is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"{_TYPES[Path(name).suffix]}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing of each request."""

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise RunFolderError(
            f"port {port} cannot be used ({error.strerror}); name another: --port"
        ) from error


def _clips(groups: Sequence[SampleGroup], pictures: Mapping[Path, ClipPictures], name: str) -> bytes | None:
    match = _CLIP.fullmatch(name)
    if match is None or int(match[1]) >= len(groups):
        return None
    group, place = groups[int(match[1])], int(match[2])
    if place >= len(group.sample_ids) or group.run not in pictures:
        return None
    found = pictures[group.run].of(group.benchmark, group.sample_ids[place], group.systems)
    return clip_script(group.index, place, found)
