"""A small server with the interface ``/v1/embeddings``, for tests."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np


def vector(text):
    """The embedding of a text: its length, its first character, and 1."""
    return [float(len(text)), float(ord(text[0])) if text else 0.0, 1.0]


class Service:
    """What a server was asked, and what it answers.

    Attributes:
        requests: Bodies of the requests.
        headers: Their headers.
        answers: Functions of a body that return a status, headers and content, each used once;
            after them, embeddings are returned in reverse order.
    """

    def __init__(self):
        self.requests, self.headers, self.answers = [], [], []

    def answer(self, body):
        if self.answers:
            return self.answers.pop(0)(body)
        return 200, {}, self.embeddings(body)

    @staticmethod
    def embeddings(body, of=vector):
        data = []
        for index, text in enumerate(body["input"]):
            values = of(text)
            if body["encoding_format"] == "base64":
                values = base64.b64encode(np.array(values, "<f4").tobytes()).decode()
            data.append({"object": "embedding", "index": index, "embedding": values})
        return {"object": "list", "data": data[::-1], "model": body["model"]}


@contextmanager
def serving():
    """Run a server in a thread within a ``with`` block."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.requests.append(body)
            service.headers.append({"path": self.path, **self.headers})
            status, headers, content = service.answer(body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        service.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
