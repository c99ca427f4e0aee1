"""A stand-in of the hub's HTTP API on loopback: repositories, and commits of whole files.

Belongs here: what `huggingface_hub` asks for when a folder is uploaded. Does not: what is tested.
"""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_TheTokenThatMayWrite"


class Hub:
    """What the stand-in holds: of each repository (kind, name), whether it is private, and its files."""

    def __init__(self):
        self.address = ""
        self.private, self.files, self.commits, self.asked = {}, {}, [], []

    def answer(self, method, path, token, body):
        """Return a status and what is said."""
        self.asked.append((method, path))
        if path == "/api/validate-yaml":  # of a card, before anything is written
            return 200, {"errors": [], "warnings": []}
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid username or password."}
        if path == "/api/repos/create":
            given = json.loads(body)
            name = "/".join(part for part in (given.get("organization"), given["name"]) if part)
            key = (given.get("type", "model"), name)
            status = 409 if key in self.private else 200
            self.private.setdefault(key, given.get("private") or given.get("visibility") == "private")
            self.files.setdefault(key, {})
            return status, {"url": self._url(key), "id": name, "name": name}
        found = re.fullmatch(r"/api/(dataset|model)s/([^/]+/[^/]+)/(\w+)/.+", path.partition("?")[0])
        answers = {"preupload": self._preupload, "commit": self._commit, "tree": self._tree, "revision": self._revision}
        if not found or found[3] not in answers:
            return 404, {"error": f"the stand-in knows no {path}"}
        return 200, answers[found[3]]((found[1], found[2]), body)

    def _url(self, key):
        return f"{self.address}/{'datasets/' if key[0] == 'dataset' else ''}{key[1]}"

    def _preupload(self, _key, body):
        paths = [one["path"] for one in json.loads(body)["files"]]
        return {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]}

    def _tree(self, key, _body):
        held = self.files[key].items()
        return [{"type": "file", "path": path, "size": len(data), "oid": "0" * 40} for path, data in held]

    def _revision(self, key, _body):
        return {"id": key[1], "sha": "0" * 40, "siblings": [{"rfilename": path} for path in self.files[key]]}

    def _commit(self, key, body):
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.files[key][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del self.files[key][value["path"]]
            elif line["key"] == "header":
                self.commits.append((key, value["summary"]))
        oid = f"{len(self.commits):040d}"
        url = f"{self._url(key)}/commit/{oid}"
        return {"commitUrl": url, "commitOid": oid, "hookOutput": "", "success": True}


@contextmanager
def hub_server():
    """Serve a hub on loopback."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _say(self):
            length = int(self.headers.get("Content-Length") or 0)
            status, said = hub.answer(
                self.command, self.path, self.headers.get("Authorization"), self.rfile.read(length)
            )
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_HEAD = _say

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            hub.address = f"http://127.0.0.1:{server.server_port}"
            yield hub
        finally:
            server.shutdown()
