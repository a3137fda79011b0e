"""The Helm values: only keys that the chart knows, nobody gets in, and the numbers of the README."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from lecturelib.workshop.notebooks import NOTEBOOKS
from tests.tools import require

FOLDER = Path(__file__).parents[3] / "lecturelib" / "workshop" / "classroom"
VALUES = yaml.safe_load((FOLDER / "zero_to_jupyterhub.yaml").read_text(encoding="utf-8"))
README = (FOLDER / "README.md").read_text(encoding="utf-8")
ANY = object()

# What the chart's own schema (values.schema.yaml, 4.x) allows at the places that we use; it refuses unknown keys.
SIZE = (int, float, str)
CHART: dict[str, Any] = {
    "hub": {"config": ANY},
    "proxy": {"service": {"type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")}},
    "singleuser": {
        "image": {"name": str, "tag": str, "pullPolicy": ANY},
        "memory": {"guarantee": SIZE, "limit": SIZE},
        "cpu": {"guarantee": (int, float), "limit": (int, float)},
        "extraEnv": ANY,
        "defaultUrl": str,
        "startTimeout": int,
        "allowPrivilegeEscalation": bool,
        "storage": {"type": ("dynamic", "static", "none"), "capacity": str, "homeMountPath": str},
        "lifecycleHooks": {"postStart": ANY, "preStop": ANY},
    },
    "prePuller": {"hook": {"enabled": bool}, "continuous": {"enabled": bool}},
    "cull": {"enabled": bool, "users": bool, "timeout": int, "every": int, "maxAge": int, "concurrency": int},
}


def faults(values: Any, allowed: Any, place: str = "") -> list[str]:
    """Say what the chart would refuse."""
    if allowed is ANY:
        return []
    if isinstance(allowed, dict):
        if not isinstance(values, dict):
            return [f"{place} is {values!r}: expected keys"]
        known = [faults(value, allowed[key], f"{place}.{key}") for key, value in values.items() if key in allowed]
        return [fault for each in known for fault in each] + [
            f"{place}.{k} is unknown" for k in values.keys() - allowed
        ]
    if isinstance(allowed, tuple) and isinstance(allowed[0], str):
        return [] if values in allowed else [f"{place} is {values!r}: expected one of {allowed}"]
    return [] if isinstance(values, allowed) else [f"{place} is {values!r}"]


def test_the_chart_knows_every_key():
    assert faults(VALUES, CHART) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"singleuser": {"mem": {"limit": "2G"}}}, ".singleuser.mem is unknown"),
        ({"singleuser": {"cpu": {"limit": "1"}}}, ".singleuser.cpu.limit is '1'"),
        ({"cull": True}, ".cull is True: expected keys"),
        ({"proxy": {"service": {"type": "Open"}}}, ".proxy.service.type is 'Open'"),
    ],
)
def test_a_wrong_key_is_seen(change, fault):
    assert any(fault in each for each in faults(change, CHART))


def test_nobody_gets_in_before_an_authenticator_is_named():
    config = VALUES["hub"]["config"]
    assert config == {"JupyterHub": {"authenticator_class": "null"}}
    found = [each for each in entry_points(group="jupyterhub.authenticators") if each.name == "null"]
    require(found, "no JupyterHub: python -m pip install -e '.[hub]'")
    assert found[0].load()().get_handlers(None) == []  # no page takes a name or a password


def test_no_secret_stands_in_the_file_and_the_names_to_fill_in_are_in_capitals():
    text = (FOLDER / "zero_to_jupyterhub.yaml").read_text(encoding="utf-8")
    assert not re.search(r"(?i)password|secret|token", text)
    assert VALUES["singleuser"]["image"] == {"name": "REGISTRY/lecture", "tag": "TAG"}


def test_the_numbers_are_those_of_the_readme_and_of_the_hub_on_one_machine():
    user, idle = VALUES["singleuser"], VALUES["cull"]["timeout"]
    table = dict(re.findall(r"(?m)^\| ([a-z ]+?) \| (.*?) \|$", README.partition("| for each user |")[2]))
    assert table == {
        "memory": f"{user['memory']['guarantee']} | {user['memory']['limit']}",
        "cores": f"{user['cpu']['guarantee']} | {user['cpu']['limit']}",
        "disk": f"| {user['storage']['capacity']}",
        "seconds without use": f"| {idle}",
    }
    hub = (FOLDER / "jupyterhub_config.py").read_text(encoding="utf-8")
    assert f'mem_limit = "{user["memory"]["limit"]}"' in hub and f"IDLE = {idle} " in hub
    assert f"limits of {user['memory']['limit']} and {user['cpu']['limit']} core" in README
    assert f'default_url = "{user["defaultUrl"]}"' in hub
    assert (NOTEBOOKS / Path(user["defaultUrl"]).name).is_file()


def test_the_hook_copies_from_where_the_image_has_the_notebooks_to_where_the_first_page_opens():
    shell, option, command = VALUES["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    *start, source, target, _, end = command.split()
    assert [*start, end] == ["python", "-m", "lecturelib.workshop.classroom.copies", "true"]  # or the container ends
    assert (shell, option) == ("sh", "-c") and " || true" in command
    home = VALUES["singleuser"]["storage"]["homeMountPath"]
    assert target == f"{home}/notebooks" and not source.startswith(home)
    text = (FOLDER / "zero_to_jupyterhub.yaml").read_text(encoding="utf-8")
    assert f"--target-repo-dir {source.removesuffix('/notebooks')} " in text


@pytest.mark.platform
@pytest.mark.skipif(sys.platform == "win32", reason="repo2docker does not run on Windows")
def test_the_image_has_the_notebooks_there():
    command = Path(sys.executable).with_name("jupyter-repo2docker")
    program = str(command) if command.exists() else shutil.which("jupyter-repo2docker")
    require(program, "no repo2docker: python -m pip install -e '.[test]'")
    found = subprocess.run(
        [str(program), "--no-build", "--debug", "--target-repo-dir", "/srv/lecture", str(FOLDER.parents[2])],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    printed = found.stdout + found.stderr
    assert found.returncode == 0, found.stderr[-2000:]
    assert re.search(r"ARG REPO_DIR=", printed) and re.search(r"COPY --chown=\S+ src/ \$\{REPO_DIR\}", printed)
