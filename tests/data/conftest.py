"""Files, and servers on this machine, for the tests of data."""

import socket
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def write(tmp_path):
    """Give a function which writes bytes to a new file and gives its path."""

    def write(content, name="file-idx"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


class Handler(BaseHTTPRequestHandler):
    """Answers from a dict; a string ends the answer early, after those bytes."""

    def __init__(self, answers, asked, *arguments):
        self.answers, self.asked = answers, asked
        super().__init__(*arguments)

    def do_GET(self):
        name = self.path.removeprefix("/files/")
        self.asked.append(name)
        answer = self.answers.get(name)
        if answer is None:
            self.send_error(404)
            return
        cut = isinstance(answer, str)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer) + 99 * cut))
        self.end_headers()
        self.wfile.write(answer.encode() if cut else answer)

    def log_message(self, *arguments):
        """Keep quiet."""


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    servers = []

    def serve(answers):
        asked = []
        handler = partial(Handler, answers, asked)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=partial(server.serve_forever, 0.01))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/files/", asked

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def nobody():
    """Give an address where no one answers: its port is held but not listened on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/"
