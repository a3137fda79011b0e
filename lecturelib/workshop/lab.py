"""Start JupyterLab on this machine alone, and say where it is."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def command(folder: Path, address: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that starts JupyterLab on a folder, with an address such as /lab/tree/03.ipynb open."""
    found = [
        sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url={address}", "--log-level=WARN", *options,
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        print("You are root, as one is in a container: JupyterLab is started with --allow-root.", flush=True)
        found.append("--allow-root")
    return found


def run(arguments: Sequence[str], environment: Mapping[str, str], address: str) -> int:
    """Run JupyterLab until it ends, and print where it is open; return its exit status.

    Ctrl-C reaches JupyterLab too, which then stops.
    """
    token = environment.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    process = subprocess.Popen(arguments, env={**environment, "JUPYTER_TOKEN": token})
    said = False
    while True:
        try:
            if said:
                return process.wait()
            time.sleep(0.2)
            if process.poll() is not None:
                return process.returncode
            if server := _server(token):
                print(f"It is open at {server}{address.lstrip('/')}?token={token}\nCtrl-C ends it.", flush=True)
                said = True
        except KeyboardInterrupt:
            said = True  # who waits no longer need not be told


def _server(token: str) -> str:
    """Return the address of the running server that has this token, or nothing if there is none yet."""
    from jupyter_server.serverapp import list_running_servers

    return next((str(server["url"]) for server in list_running_servers() if server["token"] == token), "")
