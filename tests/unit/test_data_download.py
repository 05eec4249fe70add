"""Downloads against a server of our own: whole, broken off, refused, and not what was asked for."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from facetory.cli import data
from facetory.data import catalogue
from facetory.data.download import ATTEMPTS, fetch
from facetory.pipeline.files import FacetoryError
from typer.testing import CliRunner

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; ``plan`` holds what becomes of the next requests, in order: a status or a byte count.

    A byte count breaks the connection after so many bytes of that answer's body.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.plan, self.ranges, self.continues = CONTENT, [], [], True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        step = server.plan.pop(0) if server.plan else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.continues else 0
        body = server.content[start:]
        if step is not None and step in range(400, 600):
            self.send_error(step)
        elif start and not body:
            self.send_error(416)
        else:
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:step])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_is_downloaded_once(tmp_path, server):
    path = tmp_path / "new" / "votes.csv"
    assert fetch(server.url, SHA256, path) is True
    assert path.read_bytes() == CONTENT and files(path.parent) == ["votes.csv"]
    assert fetch(server.url, SHA256, path) is False
    assert server.ranges == [None]


def test_a_broken_download_goes_on_where_it_broke_off(tmp_path, server):
    server.plan = [200_000, 100_000]
    assert fetch(server.url, SHA256, tmp_path / "votes.csv", wait=0)
    assert (tmp_path / "votes.csv").read_bytes() == CONTENT
    first, second, third = server.ranges
    starts = [int(asked[6:-1]) for asked in (second, third)]
    assert first is None and 0 < starts[0] <= 200_000 < starts[1] <= 300_000


def test_a_later_call_goes_on_too(tmp_path, server):
    server.plan = [200_000, *[503] * ATTEMPTS]
    with pytest.raises(FacetoryError, match=r"the download failed .*503.*what has arrived is kept"):
        fetch(server.url, SHA256, tmp_path / "votes.csv", wait=0)
    assert files(tmp_path) == [".votes.csv.part"]
    server.plan, server.ranges = [], []
    assert fetch(server.url, SHA256, tmp_path / "votes.csv", wait=0)
    assert server.ranges[0].startswith("bytes=1") and files(tmp_path) == ["votes.csv"]
    assert (tmp_path / "votes.csv").read_bytes() == CONTENT


def test_a_server_that_cannot_continue_sends_everything_again(tmp_path, server):
    server.plan, server.continues = [200_000], False
    assert fetch(server.url, SHA256, tmp_path / "votes.csv", wait=0)
    assert len(server.ranges) == 2 and (tmp_path / "votes.csv").read_bytes() == CONTENT


def test_a_whole_file_that_was_not_yet_in_place_is_put_there(tmp_path, server):
    (tmp_path / ".votes.csv.part").write_bytes(CONTENT)
    assert fetch(server.url, SHA256, tmp_path / "votes.csv", wait=0)
    assert files(tmp_path) == ["votes.csv"]


def test_a_busy_server_is_asked_again(tmp_path, server):
    server.plan = [503, 429, 500]
    assert fetch(server.url, SHA256, tmp_path / "votes.csv", wait=0)
    assert len(server.ranges) == 4


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_final(tmp_path, server, status):
    server.plan = [status]
    with pytest.raises(FacetoryError, match=rf"{server.url}: the download failed \({status}"):
        fetch(server.url, SHA256, tmp_path / "votes.csv", wait=0)
    assert len(server.ranges) == 1 and files(tmp_path) == []


def test_another_hash_leaves_nothing_behind(tmp_path, server):
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(FacetoryError, match=rf"sha256 [0-9a-f]{{64}} instead of {SHA256}\. Fetch it again"):
        fetch(server.url, SHA256, tmp_path / "votes.csv", wait=0)
    assert files(tmp_path) == []


def test_another_file_in_its_place_is_not_overwritten(tmp_path, server):
    (tmp_path / "votes.csv").write_text("mine")
    with pytest.raises(FacetoryError, match=rf"votes\.csv: its sha256 is not {SHA256}\. Move it away"):
        fetch(server.url, SHA256, tmp_path / "votes.csv")
    assert (tmp_path / "votes.csv").read_text() == "mine" and server.ranges == []


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FacetoryError, match=r"http://127\.0\.0\.1:9/x: the download failed .* Check the net"):
        fetch("http://127.0.0.1:9/x", SHA256, tmp_path / "votes.csv", wait=0)
    assert files(tmp_path) == []


def typed(*arguments):
    return CliRunner().invoke(data.app, ["fetch", *map(str, arguments)], catch_exceptions=False)


def test_the_verb_places_the_votes_and_says_what_is_still_missing(tmp_path, server, monkeypatch):
    votes = {"fer2013new.csv": catalogue.Download(url=server.url, sha256=SHA256)}
    entry = catalogue.entry("fer2013plus").model_copy(update={"downloads": votes})
    monkeypatch.setitem(catalogue.entries(), "fer2013plus", entry)
    said = typed("fer2013plus", "--data-root", tmp_path)
    assert (tmp_path / "fer2013" / "fer2013new.csv").read_bytes() == CONTENT
    assert "fer2013new.csv: downloaded, sha256 as published" in said.stdout
    assert f"Not usable yet: fer2013plus not placed: expected {tmp_path}/fer2013/fer2013.csv" in said.stdout
    (tmp_path / "fer2013" / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    said = typed("fer2013plus", "--data-root", tmp_path)
    assert "already there" in said.stdout and "fer2013plus is usable" in said.stdout


def test_a_set_without_downloads_says_how_to_get_it(tmp_path):
    with pytest.raises(
        FacetoryError, match=r"sfew has no files to download: sfew not placed: expected .*sfew/"
    ):
        typed("sfew", "--data-root", tmp_path)
    with pytest.raises(
        FacetoryError, match="anny_basic has no files to download: anny_basic is usable as it"
    ):
        typed("anny_basic", "--data-root", tmp_path)


def test_both_rules_of_fer2013plus_take_the_same_votes():
    majority, argmax = (catalogue.entry(name) for name in ("fer2013plus", "fer2013plus_argmax"))
    assert majority.downloads == argmax.downloads
    assert majority.downloads["fer2013new.csv"].url.startswith("https://raw.githubusercontent.com/microsoft/")
