"""What Binder would build, read from the Dockerfile that repo2docker writes: without Docker or a network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.platform,
    pytest.mark.skipif(sys.platform == "win32", reason="repo2docker does not run on Windows"),
]


def test_the_image_has_binders_own_environment_with_its_python_runs_both_scripts_and_asks_for_no_cuda(tmp_path):
    """Read in the Dockerfile for a copy that holds nothing but the files which decide about the image."""
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    for name in ("environment.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    options = ["--no-build", "--debug", "--user-id", "1000", "--user-name", "reader"]
    command = [sys.executable, "-m", "repo2docker", *options, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    dockerfile = done.stdout + done.stderr
    assert re.search(r'env update -p \S+ --file "binder/environment.yml"', dockerfile)
    # Copied on its own before the sources are: a change of the code leaves the installed layer in the cache.
    assert re.search(r"^COPY \S+ src/binder/environment.yml .*^COPY \S+ src/ ", dockerfile, re.MULTILINE | re.DOTALL)
    environment, post_build = ((ROOT / "binder" / n).read_text("utf-8") for n in ("environment.yml", "postBuild"))
    (version,) = re.findall(r"- python=(\d+\.\d+)", environment)
    assert f"Building conda environment for python={version}" in dockerfile
    assert re.search(r"^RUN ./binder/postBuild$", dockerfile, re.MULTILINE)
    assert re.search(r'^ENV R2D_ENTRYPOINT="\$\{REPO_DIR\}/binder/start"$', dockerfile, re.MULTILINE)
    assert (
        "-e ." not in environment and "pip install --no-cache-dir --no-deps ." in post_build
    )  # behind the cached layer
    assert not re.search(r"cuda|nvidia|pytorch-gpu", dockerfile + environment + post_build, re.IGNORECASE)


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_a_script_runs_under_bash(name):
    script = ROOT / "binder" / name
    assert script.stat().st_mode & 0o111, f"{script} is not executable: chmod +x"
    subprocess.run(["bash", "-n", script], check=True)
