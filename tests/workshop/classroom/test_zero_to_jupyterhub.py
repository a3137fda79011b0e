"""The Helm values: nobody gets in, no secret is committed, and the numbers are those of the README."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import yaml

from lecturelib.workshop.notebooks import NOTEBOOKS
from tests.tools import require

FOLDER = Path(__file__).parents[3] / "lecturelib" / "workshop" / "classroom"
TEXT = (FOLDER / "zero_to_jupyterhub.yaml").read_text(encoding="utf-8")
VALUES = yaml.safe_load(TEXT)
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_nobody_gets_in_before_an_authenticator_is_named_and_no_secret_stands_in_the_file():
    assert VALUES["hub"]["config"] == {"JupyterHub": {"authenticator_class": "null"}}
    found = [each for each in entry_points(group="jupyterhub.authenticators") if each.name == "null"]
    require(found, "no JupyterHub: python -m pip install -e '.[hub]'")
    assert found[0].load()().get_handlers(None) == []  # no page takes a name or a password
    assert not re.search(r"(?i)password|secret|token", TEXT)


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
    assert f"--target-repo-dir {source.removesuffix('/notebooks')} " in TEXT
