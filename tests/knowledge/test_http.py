import gzip
import socket
import time
import zlib
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from web_standins import Reply, Site

from knowledge.sources.addresses import is_public
from knowledge.sources.http import FetchError, RefusedError, Request, TooLargeError, WebClient, any_address

LIMIT = 100_000


@pytest.fixture
def client() -> WebClient:
    return WebClient("Lorebot", any_address, idle_seconds=5)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *(
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
        ),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "fec0::1"),
        *(
            "::ffff:127.0.0.1",
            "::ffff:a00:1",
            "::7f00:1",
            "2002:7f00:1::",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
        ),
        *("2001:0:808:808:0:0:80ff:fffe", "", "localhost", "1.2.3"),
    ],
)
def test_an_address_that_is_not_public_is_told_apart(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_recognised(address: str) -> None:
    assert is_public(address)


def test_an_answer_carries_status_headers_and_content(site: Site, client: WebClient) -> None:
    site.pages["/a?b=1"] = Reply("words", "text/plain", 203, {"X-Mark": "m"})
    response = client.get(Request(site.url("/a?b=1"), LIMIT))
    assert (response.status, response.content, response.headers["x-mark"]) == (203, b"words", "m")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://localhost/",
        ),
        *(
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0/",
        ),
    ],
)
def test_private_addresses_are_refused_in_every_spelling(url: str) -> None:
    with pytest.raises(RefusedError, match="not a public address"):
        WebClient("Lorebot").get(Request(url, LIMIT))


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x/", "/a", "http://", "http://x:y/"]
)
def test_other_schemes_and_broken_urls_are_refused(client: WebClient, url: str) -> None:
    with pytest.raises(RefusedError, match="URL"):
        client.get(Request(url, LIMIT))


def test_a_name_that_leads_to_a_private_address_is_refused() -> None:
    client = WebClient("Lorebot", resolve=lambda _host, _port: ("10.0.0.7", "::1"))
    with pytest.raises(
        RefusedError, match=r"intranet\.example leads to 10\.0\.0\.7, ::1, which is not a public"
    ):
        client.get(Request("http://intranet.example/", LIMIT))


def test_the_connection_goes_to_the_address_that_was_checked_though_the_name_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([("93.184.215.14",), ("127.0.0.1",)])
    connected: list[Any] = []

    def record(address: Any, *_: object, **__: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", record)
    client = WebClient("Lorebot", resolve=lambda _host, _port: next(answers))
    with pytest.raises(FetchError, match="Connection refused"):
        client.get(Request("http://rebinding.example/", LIMIT))
    with pytest.raises(RefusedError):
        client.get(Request("http://rebinding.example/", LIMIT))
    assert connected == [("93.184.215.14", 80)]


def test_of_several_addresses_only_those_that_may_be_used_are_tried(site: Site) -> None:
    site.pages["/"] = Reply("here")
    client = WebClient(
        "Lorebot", lambda address: address == "127.0.0.1", lambda _host, _port: ("127.0.0.9", "127.0.0.1")
    )
    assert client.get(Request(f"http://docs.example:{site.port}/", LIMIT)).content == b"here"
    assert site.headers_of["/"]["host"] == f"docs.example:{site.port}"


@pytest.mark.parametrize("target", ["http://127.0.0.2:{port}/secret", "//127.0.0.2:{port}/secret"])
def test_a_redirect_to_a_forbidden_address_is_refused(site: Site, target: str) -> None:
    site.pages["/"] = Reply(status=302, headers={"Location": target.format(port=site.port)})
    client = WebClient("Lorebot", lambda address: address == "127.0.0.1")
    with pytest.raises(RefusedError, match=r"127\.0\.0\.2"):
        client.get(Request(site.url(), LIMIT))


def test_a_redirect_to_another_scheme_is_not_followed(site: Site, client: WebClient) -> None:
    site.pages["/"] = Reply(status=302, headers={"Location": "file:///etc/passwd"})
    assert client.get(Request(site.url(), LIMIT)).status == 302


def test_redirects_are_followed_five_times(site: Site, client: WebClient) -> None:
    for step in range(6):
        site.pages[f"/{step}"] = Reply(status=301, headers={"Location": f"/{step + 1}"})
    site.pages["/6"] = Reply("the end")
    assert client.get(Request(site.url("/1"), LIMIT)).content == b"the end"
    with pytest.raises(FetchError, match="redirects more than 5 times"):
        client.get(Request(site.url("/0"), LIMIT))


def test_cookies_are_not_kept_and_credentials_not_sent(site: Site, client: WebClient) -> None:
    site.pages["/"] = Reply("x", headers={"Set-Cookie": "id=1"})
    client.get(Request(site.url(), LIMIT))
    client.get(Request(site.url(), LIMIT))
    assert not site.headers_of["/"].keys() & {"cookie", "authorization"}
    with pytest.raises(RefusedError, match="holds a user or password") as refused:
        client.get(Request(f"http://me:secret@127.0.0.1:{site.port}/", LIMIT))
    assert "secret" not in str(refused.value)


def test_a_proxy_of_the_environment_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    site.pages["/"] = Reply("direct")
    assert WebClient("Lorebot", any_address).get(Request(site.url(), LIMIT)).content == b"direct"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "bare deflate"])
def test_packed_answers_are_unpacked(site: Site, client: WebClient, encoding: str) -> None:
    text = b"many words " * 500
    bare = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "bare deflate": bare.compress(text) + bare.flush(),
    }[encoding]
    site.pages["/"] = Reply(packed, headers={"Content-Encoding": encoding.rpartition(" ")[2]})
    assert client.get(Request(site.url(), LIMIT)).content == text


def test_an_answer_that_says_that_it_is_too_large_is_not_loaded(site: Site, client: WebClient) -> None:
    site.pages["/"] = Reply(b"x" * (LIMIT + 1))
    with pytest.raises(TooLargeError) as refused:
        client.get(Request(site.url(), LIMIT))
    assert refused.value.size == LIMIT + 1


def test_an_endless_answer_is_stopped_at_the_limit(site: Site, client: WebClient) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 10_000)
        except OSError:
            handler.close_connection = True

    site.pages["/"] = endless
    with pytest.raises(TooLargeError):
        client.get(Request(site.url(), LIMIT))


def test_a_bomb_is_not_unpacked_beyond_the_limit(
    site: Site, client: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracemalloc

    site.pages["/"] = Reply(gzip.compress(b"\0" * 50_000_000), headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        client.get(Request(site.url(), LIMIT))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"not gzip", "gzip"), (gzip.compress(b"cut off" * 99)[:-12], "gzip"), (b"x", "br")],
)
def test_an_answer_that_is_packed_wrongly_is_an_error(
    site: Site, client: WebClient, body: bytes, encoding: str
) -> None:
    site.pages["/"] = Reply(body, headers={"Content-Encoding": encoding})
    with pytest.raises(FetchError):
        client.get(Request(site.url(), LIMIT))


@pytest.mark.parametrize("part", ["headers", "body"])
def test_an_answer_that_drips_is_given_up(site: Site, part: str) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        start = (
            b"HTTP/1.1 200 OK\r\nX: "
            if part == "headers"
            else b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        )
        try:
            handler.wfile.write(start)
            for _ in range(600):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass
        handler.close_connection = True

    site.pages["/"] = drip
    client = WebClient("Lorebot", any_address, idle_seconds=5, total_seconds=0.5)
    with pytest.raises(FetchError, match="does not answer in time"):
        client.get(Request(site.url(), LIMIT))


def test_a_server_that_is_not_there_is_an_error_of_one_line(client: WebClient) -> None:
    with pytest.raises(FetchError, match=r"^http://127\.0\.0\.1:9/ cannot be reached: .*refused\.$"):
        client.get(Request("http://127.0.0.1:9/", LIMIT))


def test_a_name_that_does_not_exist_is_an_error_of_one_line() -> None:
    def unknown(_host: str, _port: int) -> tuple[str, ...]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(FetchError, match=r"cannot be reached: .*Name or service not known"):
        WebClient("Lorebot", resolve=unknown).get(Request("http://nowhere.example/", LIMIT))
