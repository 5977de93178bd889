"""A small server that speaks the Hugging Face Hub's protocol over folders of this machine.

Enough of it for `huggingface_hub` and `datasets` to list and download: repository info, the file
tree, ``paths-info``, and ``resolve`` with ETag, commit and ranges. It is given by ``HF_ENDPOINT``.
"""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c" * 40


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        sent = self.rfile.read(length).decode()
        form = json.loads(sent) if sent.startswith("{") else parse_qs(sent)
        found = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/paths-info/[^/]+", self._path())
        folder = self.root / found[1] / found[2] if found else None
        if folder is None or not folder.is_dir():
            return self._missing("RepoNotFound")
        paths = [folder / name for name in form.get("paths", [])]
        self._json([self._entry(folder, path) for path in paths if path.exists()])

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _answer(self, *, body: bool) -> None:
        path = self._path()
        self.asked.append(f"{self.command} {path}")
        api = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree)/.*)?", path)
        file = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if api:
            folder = self.root / api[1] / api[2]
            if not folder.is_dir():
                return self._missing("RepoNotFound")
            files = sorted(f for f in folder.rglob("*") if f.is_file())
            if api[3] == "tree":
                return self._json([self._entry(folder, f) for f in files])
            siblings = [{"rfilename": str(f.relative_to(folder))} for f in files]
            about = {"id": api[2], "sha": COMMIT, "private": False, "gated": False, "tags": []}
            return self._json({**about, "siblings": siblings, "disabled": False, "downloads": 0})
        if file:
            folder = self.root / ("datasets" if file[1] else "models") / file[2]
            if not folder.is_dir():
                return self._missing("RepoNotFound")
            if not (folder / file[4]).is_file():
                return self._missing("EntryNotFound")
            return self._file((folder / file[4]).read_bytes(), body=body)
        self._missing("EntryNotFound")

    @staticmethod
    def _entry(folder: Path, path: Path) -> dict[str, Any]:
        content = path.read_bytes()
        oid = hashlib.sha1(content).hexdigest()
        name = str(path.relative_to(folder))
        return {"type": "file", "oid": oid, "size": len(content), "path": name}

    def _file(self, content: bytes, *, body: bool) -> None:
        etag = hashlib.sha1(content).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        status = 200
        if asked:
            start = int(asked[1])
            end = min(int(asked[2] or len(content) - 1), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
        self._send(status, content, headers, body=body)

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _missing(self, code: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": "not here"}
        self._send(404, b"{}", headers, body=self.command != "HEAD")

    def _send(
        self, status: int, content: bytes, headers: dict[str, str], *, body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def hub_server(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Serves ``root/models/OWNER/NAME`` and ``root/datasets/OWNER/NAME``.

    Yields:
        Its URL, and the requests it got so far.
    """
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"root": root, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
