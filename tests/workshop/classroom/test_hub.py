"""The hub with real users of this system: each has an own server, kernel and account, and nobody else gets in."""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from traitlets.config.loader import PyFileConfigLoader

from lecturelib.workshop.classroom.copies import copy_missing
from lecturelib.workshop.notebooks import NOTEBOOKS
from tests.tools import needs

CONFIG = Path(__file__).parents[3] / "lecturelib" / "workshop" / "classroom" / "jupyterhub_config.py"
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
STARTS = 120  # seconds


# ---- copies ----


@pytest.fixture
def course(tmp_path):
    for name in ("00_a.ipynb", "01_b.ipynb", "notes.txt"):
        (tmp_path / "course").mkdir(exist_ok=True)
        (tmp_path / "course" / name).write_text(f"new {name}", encoding="utf-8")
    return tmp_path / "course"


def test_copies_are_made_once_and_no_file_is_overwritten_be_it_a_link_that_leads_nowhere(tmp_path, course):
    target = tmp_path / "home" / "notebooks"
    copy_missing(course, target)
    assert {path.name: path.read_text(encoding="utf-8") for path in target.iterdir()} == {
        "00_a.ipynb": "new 00_a.ipynb",
        "01_b.ipynb": "new 01_b.ipynb",
    }
    (target / "00_a.ipynb").write_text("mine", encoding="utf-8")
    (target / "01_b.ipynb").unlink()
    (target / "01_b.ipynb").symlink_to(tmp_path / "elsewhere")
    copy_missing(course, target)
    assert (target / "00_a.ipynb").read_text(encoding="utf-8") == "mine" and not (tmp_path / "elsewhere").exists()
    if os.name == "posix":
        assert target.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such limit")
def test_half_a_copy_is_not_left_behind(tmp_path, course):
    command = [sys.executable, CONFIG.with_name("copies.py"), course, tmp_path / "notebooks"]
    full = ["sh", "-c", 'ulimit -f 0; exec "$@"', "full"]
    done = subprocess.run([*full, *command], capture_output=True, text=True)
    assert done.returncode == 1 and "File too large" in done.stderr
    assert list((tmp_path / "notebooks").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="the hub runs on Linux")
def test_where_nothing_can_be_copied_that_is_logged_and_the_server_starts_anyway(tmp_path, monkeypatch):
    command = loaded(tmp_path, monkeypatch, f"load_subconfig({str(CONFIG)!r})").Spawner.cmd
    (tmp_path / "notebooks").write_text("mine")
    server = tmp_path / "jupyterhub" / "singleuser.py"  # stands for the real one
    server.parent.mkdir()
    (server.parent / "__init__.py").touch()
    server.write_text("import sys; print(sys.argv[1:])")
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([*command, "--port=1"], env={**os.environ, **home}, capture_output=True)
    assert done.returncode == 0 and done.stdout == b"['--port=1']\n" and b"FileExistsError" in done.stderr
    assert (tmp_path / "notebooks").read_text() == "mine"


# ---- the file ----


def loaded(tmp_path, monkeypatch, text, uid=0):
    """Return the configuration that a hub of root would read from a file of one's own."""
    monkeypatch.setattr(os, "geteuid", lambda: uid, raising=False)
    monkeypatch.setenv("LECTURELIB_HUB_STATE", str(tmp_path / "state"))
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    return PyFileConfigLoader("own.py", path=str(tmp_path)).load_config()


def test_a_file_of_ones_own_builds_on_it_and_has_the_last_word(tmp_path, monkeypatch):
    recipe = re.search(r"load_subconfig\(.*?(?=```)", CONFIG.with_name("README.md").read_text(encoding="utf-8"), re.S)
    text = recipe[0].replace('"lecturelib/workshop/classroom/jupyterhub_config.py"', repr(str(CONFIG)))
    assert repr(str(CONFIG)) in text
    config = loaded(tmp_path, monkeypatch, text)
    assert config.JupyterHub.authenticator_class == "generic-oauth"
    assert config.GenericOAuthenticator.allowed_users == {"ada"}
    assert config.JupyterHub.spawner_class == "jupyterhub.spawner.LocalProcessSpawner"
    assert config.JupyterHub.bind_url == "http://127.0.0.1:8000"


def test_nobody_is_allowed_but_a_group_and_secrets_lie_where_nobody_else_may_look(tmp_path, monkeypatch):
    config = loaded(tmp_path, monkeypatch, f"load_subconfig({str(CONFIG)!r})")
    assert config.PAMAuthenticator.allowed_groups == {"lecture"}
    assert not {"allow_all", "allow_existing_users"} & {*config.PAMAuthenticator, *config.Authenticator}
    assert str(tmp_path / "state") in config.JupyterHub.db_url
    if os.name == "posix":
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
        (tmp_path / "state").chmod(0o755)
        with pytest.raises(SystemExit, match="others may enter"):
            loaded(tmp_path, monkeypatch, f"load_subconfig({str(CONFIG)!r})")


def test_it_refuses_to_run_all_servers_under_one_account(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="runs as root"):
        loaded(tmp_path, monkeypatch, CONFIG.read_text(encoding="utf-8"), uid=1000)
    assert not (tmp_path / "state").exists()


# ---- a hub ----


HUB = find_spec("jupyterhub") and find_spec("jupyterhub_idle_culler") and shutil.which("configurable-http-proxy")
PYTHON = Path(os.environ.get("LECTURELIB_HUB_PYTHON", sys.executable))
HOW = (
    "no hub: as root, python -m pip install -e '.[hub]' and npm install -g configurable-http-proxy; the Python of the "
    "users, this one or LECTURELIB_HUB_PYTHON, must lie where every user may run it"
)


def needs_hub(test: Any) -> Any:
    """Mark a test that needs a hub with users of the system."""
    if sys.platform != "linux":
        return pytest.mark.skip(reason="the hub runs on Linux")(test)
    test = pytest.mark.platform(test)
    usable = all(each.stat().st_mode & 0o001 for each in (PYTHON.resolve(), *PYTHON.resolve().parents, *PYTHON.parents))
    return needs(ROOT and HUB and shutil.which("useradd") and usable, HOW)(test)


class Hub(NamedTuple):
    """A running hub: its address, its process, and the passwords of the users."""

    address: str
    process: subprocess.Popen
    passwords: dict[str, str]
    log: Path


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*command: str, given: str = "") -> None:
    subprocess.run(command, input=given, text=True, check=True, capture_output=True)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Start a hub with two members of its group, and a third user of the system who is none; remove all afterwards."""
    mark = secrets.token_hex(3)
    group = f"lec{mark}"
    passwords = {f"{name}{mark}": secrets.token_urlsafe(12) for name in ("ada", "bob", "eve")}
    folder = tmp_path_factory.mktemp("hub")
    homes = Path(f"/var/tmp/lecturelib-{mark}")  # outside of pytest's own folder, which others may not enter
    homes.mkdir(mode=0o755)
    port, inner, api = free_port(), free_port(), free_port()
    environment = {
        **os.environ,
        "LECTURELIB_HUB_BIND": f"http://127.0.0.1:{port}",
        "LECTURELIB_HUB_GROUP": group,
        "LECTURELIB_HUB_STATE": str(folder / "state"),
        "LECTURELIB_HUB_PYTHON": str(PYTHON),
    }
    try:
        run("groupadd", group)
        for name, password in passwords.items():
            member = [] if name.startswith("eve") else ["-G", group]
            run("useradd", "--create-home", "--base-dir", str(homes), *member, name)
            run("chpasswd", given=f"{name}:{password}")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG), f"--JupyterHub.hub_port={inner}",
                 f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{api}"],
                cwd=folder, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        found = Hub(f"http://127.0.0.1:{port}", process, passwords, folder / "log")
        wait_for(lambda: answers(found), "the hub does not answer", found)
        yield found
    finally:
        with contextlib.suppress(NameError):
            stop(process)
        for name in passwords:
            subprocess.run(["userdel", "--remove", name], capture_output=True)
        subprocess.run(["groupdel", group], capture_output=True)
        shutil.rmtree(homes, ignore_errors=True)


def stop(process: subprocess.Popen) -> None:
    """End the hub, and whatever of its children outlives it."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    for each in alive:
        each.kill()


def wait_for(ready: Any, problem: str, hub: Hub) -> None:
    deadline = time.monotonic() + STARTS
    while not ready():
        if time.monotonic() > deadline or hub.process.poll() is not None:
            raise AssertionError(f"{problem}:\n{hub.log.read_text()[-4000:]}")
        time.sleep(0.3)


def answers(hub: Hub) -> bool:
    import requests

    try:
        return requests.get(f"{hub.address}/hub/health", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


class User:
    """A browser of one user, logged in or not."""

    def __init__(self, hub: Hub, name: str, password: str) -> None:
        import requests

        self.hub, self.name = hub, name
        self.browser = requests.Session()
        self.browser.get(f"{hub.address}/hub/login", timeout=30)
        self.entered = self.browser.post(
            f"{hub.address}/hub/login",
            params={"_xsrf": self.browser.cookies.get("_xsrf", path="/hub/")},
            data={"username": name, "password": password},
            allow_redirects=False,
            timeout=30,
        )

    def api(self, method: str, path: str, **more: Any) -> Any:
        """Call the API of the hub with a token of this user."""
        return self.browser.request(method, f"{self.hub.address}/hub/api/{path}", timeout=60, **more)

    def start(self) -> None:
        """Start the own server and a kernel in it."""
        xsrf = {"X-XSRFToken": self.browser.cookies.get("_xsrf", path="/hub/")}
        made = self.api("POST", f"users/{self.name}/tokens", headers=xsrf, json={})
        assert made.status_code == 201, made.text
        self.browser.cookies.clear()
        self.browser.headers["Authorization"] = f"token {made.json()['token']}"
        assert self.api("POST", f"users/{self.name}/server").status_code in (201, 202)
        wait_for(self._ready, f"the server of {self.name} does not start", self.hub)
        self.kernel = self.server("POST", "kernels", json={"name": "python3"}).json()["id"]

    def _ready(self) -> bool:
        return self.api("GET", f"users/{self.name}").json()["servers"].get("", {}).get("ready", False)

    def server(self, method: str, path: str, owner: str = "", **more: Any) -> Any:
        """Call the API of a server, without another word the own one."""
        address = f"{self.hub.address}/user/{owner or self.name}/api/{path}"
        return self.browser.request(method, address, timeout=60, **more)

    def says(self, code: str) -> str:
        """Run code in the own kernel and return what it prints."""
        import websocket

        address = f"{self.hub.address.replace('http', 'ws', 1)}/user/{self.name}/api/kernels/{self.kernel}/channels"
        line = websocket.create_connection(
            address, header={"Authorization": self.browser.headers["Authorization"]}, timeout=60
        )
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number, "version": "5.3"}
        content = {"code": code, "silent": False}
        line.send(
            json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content})
        )
        said = ""
        while True:
            message = json.loads(line.recv())
            if message.get("parent_header", {}).get("msg_id") != number:
                continue
            if message["msg_type"] == "stream":
                said += message["content"]["text"]
            if message["msg_type"] == "error":
                said += f"{message['content']['ename']}: {message['content']['evalue']}"
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                line.close()
                return said.strip()


@pytest.fixture(scope="module")
def class_(hub):
    """Return the two members of the group, each with a server and a kernel of their own."""
    users = [User(hub, name, password) for name, password in hub.passwords.items() if not name.startswith("eve")]
    for user in users:
        assert user.entered.status_code == 302, user.entered.text
        user.start()
    return users


@needs_hub
def test_two_users_run_code_under_their_own_accounts_beside_copies_of_the_notebooks(class_):
    uids = [int(user.says("import os; print(os.getuid())")) for user in class_]
    assert 0 not in uids and uids[0] != uids[1]
    names = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
    for user in class_:
        assert sorted(each["name"] for each in user.server("GET", "contents/notebooks").json()["content"]) == names
        assert user.says("import os; print(os.access('notebooks/00_start_here.ipynb', os.W_OK))") == "True"


@needs_hub
def test_one_cannot_read_or_change_what_is_the_others(class_):
    ada, bob = class_
    home = ada.says("import os; print(os.path.expanduser('~'))")
    path = f"{home}/notebooks/01_recurrent_networks.ipynb"
    assert ada.says(f"print(os.path.exists({path!r}))") == "True"
    for action in (f"open({path!r})", f"open({path!r}, 'a')", "open('/etc/shadow')",
                   f"import os; os.listdir({str(bob.hub.log.parent / 'state')!r})"):  # fmt: skip
        assert bob.says(action).startswith("PermissionError")
    assert bob.server("GET", "kernels", owner=ada.name).status_code == 403
    assert bob.api("GET", f"users/{ada.name}").status_code == 404
    assert bob.api("GET", "users").status_code == 403


@needs_hub
def test_nobody_else_gets_in(hub):
    ada, _, eve = hub.passwords  # who is no member of the group
    for name, password in (
        (ada, "wrong"),
        (ada, ""),
        ("mallory", "swordfish"),
        (eve, hub.passwords[eve]),
        ("root", "root"),
    ):
        user = User(hub, name, password)
        assert user.entered.status_code == 403 and user.api("GET", "user").status_code == 403


@needs_hub
def test_it_listens_on_this_machine_only_and_looks_for_idle_servers(hub, class_):
    family = [psutil.Process(hub.process.pid), *psutil.Process(hub.process.pid).children(recursive=True)]
    lines = [line for process in family for line in process.net_connections("inet")]
    assert {line.laddr.ip for line in lines if line.status == psutil.CONN_LISTEN} in (
        {"127.0.0.1"},
        {"127.0.0.1", "::1"},
    )
    assert any("jupyterhub_idle_culler" in each.cmdline() for each in family)
