"""Downloads from a server of our own: checked, complete, or not there at all."""

import gzip
import hashlib
import http.server
import threading

import numpy as np
import pytest

from tritonnet.vision import datasets
from tritonnet.vision.datasets.download import DownloadError, download
from tritonnet.vision.datasets.idx import write_idx

CONTENT = bytes(range(256)) * 50
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, name = self.path.strip("/").split("/")
        if kind == "missing":
            self.send_error(404)
            return
        body = self.server.files.get(name, gzip.compress(CONTENT))
        if kind == "wrong":
            body = gzip.compress(b"another file")
        if kind == "html":
            body = b"<html>log in first</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "short" else body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    """(base address, name -> content that it serves)."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files = {}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", server.files
        server.shutdown()


def test_good_file(server, tmp_path):
    path = download("file.gz", [f"{server[0]}/good/"], tmp_path / "raw", MD5)
    assert path == tmp_path / "raw" / "file.gz" and gzip.decompress(path.read_bytes()) == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644


def test_md5_of_the_file_itself_serves_too(server, tmp_path):
    server[1]["same.gz"] = gzip.compress(CONTENT, mtime=0)
    download("same.gz", [f"{server[0]}/good/"], tmp_path, hashlib.md5(server[1]["same.gz"]).hexdigest())


def test_the_next_mirror_is_asked(server, tmp_path):
    mirrors = [f"{server[0]}/{kind}/" for kind in ("missing", "wrong", "short", "good")]
    assert download("file.gz", mirrors, tmp_path, MD5).exists()


@pytest.mark.parametrize("kind, message", [
    ("missing", "Not Found"), ("wrong", "wrong content: md5"), ("html", "wrong content: md5"),
    ("short", "connection ended after")])
def test_nothing_is_left_behind(server, tmp_path, kind, message):
    with pytest.raises(DownloadError, match=message) as caught:
        download("file.gz", [f"{server[0]}/{kind}/"], tmp_path, MD5)
    assert f"{server[0]}/{kind}/file.gz" in str(caught.value) and list(tmp_path.iterdir()) == []


def test_no_server(tmp_path):
    with pytest.raises(DownloadError, match="could not download file.gz"):
        download("file.gz", ["http://127.0.0.1:9/"], tmp_path, MD5)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing_behind(server, tmp_path, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("tritonnet.vision.datasets.download.md5s", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download("file.gz", [f"{server[0]}/good/"], tmp_path, MD5)
    assert list(tmp_path.iterdir()) == []


def test_mnist_downloads_what_is_missing(server, tmp_path, monkeypatch):
    arrays = {name: np.zeros((4, 28, 28) if "images" in name else 4, np.uint8) for name in datasets.MNIST.resources}
    resources = {}
    for name, array in arrays.items():
        write_idx(tmp_path / f"{name}.gz", array)
        server[1][f"{name}.gz"] = (tmp_path / f"{name}.gz").read_bytes()
        resources[name] = hashlib.md5(gzip.decompress(server[1][f"{name}.gz"])).hexdigest()
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{server[0]}/missing/", f"{server[0]}/good/"])
    root = tmp_path / "root"
    assert len(datasets.MNIST(root, download=True)) == 4
    assert sorted(p.name for p in (root / "MNIST" / "raw").iterdir()) == sorted(f"{n}.gz" for n in arrays)
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    assert len(datasets.MNIST(root, train=False, download=True)) == 4  # nothing is missing, nothing is asked for
