"""A web server on the loopback whose pages a test writes down and changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from knowledge.documents import EVERYONE
from knowledge.sources.politeness import Timing

HTML = "text/html; charset=utf-8"
AUDIENCE = frozenset({EVERYONE})
AT_ONCE = Timing(delay_seconds=0.0, retry_seconds=0.0)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answers. An `etag` is honoured: who holds it is told 304."""

    body: str | bytes = b""
    content_type: str = HTML
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None

    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else self.body


class Site:
    """Pages by path and query, and `otherwise` for every other path.

    `asked` holds what was requested, in order, with the status it got.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.pages: dict[str, Reply | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.otherwise: Reply | Callable[[BaseHTTPRequestHandler], None] = Reply("not here", status=404)
        self.asked: list[tuple[str, int]] = []
        self.headers_of: dict[str, dict[str, str]] = {}

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}:{self.port}{path}"

    def page(
        self, path: str, *links: str, text: str = "Some words.", head: str = "", **further: object
    ) -> None:
        """Put up an HTML page that links to others."""
        anchors = "".join(f'<a href="{link}">on</a> ' for link in links)
        body = f"<html><head><title>{path}</title>{head}</head><body><p>{text}</p>{anchors}</body></html>"
        self.pages[path] = Reply(body, **further)  # type: ignore[arg-type]

    def paths(self, status: int = 200) -> list[str]:
        return [path for path, answered in self.asked if answered == status]


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            site.headers_of[self.path] = {name.lower(): text for name, text in self.headers.items()}
            reply = site.pages.get(self.path, site.otherwise)
            if not isinstance(reply, Reply):
                site.asked.append((self.path, 0))
                reply(self)
                return
            held = reply.etag is not None and self.headers.get("If-None-Match") == reply.etag
            status, content = (304, b"") if held else (reply.status, reply.content())
            site.asked.append((self.path, status))
            self.send_response(status)
            self.send_header("Content-Type", reply.content_type)
            if reply.etag is not None:
                self.send_header("ETag", reply.etag)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            if status != 304:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    site = Site(host, server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
