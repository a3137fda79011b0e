"""One JupyterHub for a class on one machine of a department:

    jupyterhub -f lecturelib/workshop/classroom/jupyterhub_config.py

Users are those of the system, with the passwords of the system; only members of one Unix group may log in. Each one's
server runs under their own account, so the system itself keeps their files apart. The hub must run as root for that.

Variables of the environment that it reads:
LECTURELIB_HUB_BIND    where it listens; without it, only this machine can reach it: http://127.0.0.1:8000
LECTURELIB_HUB_GROUP   the group whose members may log in: lecture
LECTURELIB_HUB_STATE   the folder for its database and secrets: hub, in the folder where it is started
LECTURELIB_HUB_PYTHON  the Python of the users' servers, with lecturelib and jupyterhub: the one that runs this
"""

import os
import sys
from pathlib import Path

from traitlets.config import Config

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE.parents[2] / "notebooks"
PYTHON = Path(os.environ.get("LECTURELIB_HUB_PYTHON", sys.executable))
STATE = Path(os.environ.get("LECTURELIB_HUB_STATE", "hub")).absolute()
IDLE = 3600  # seconds after which a server that nobody uses is stopped; what is saved stays

if "get_config" in globals():  # which a hub puts here before it runs this file; who imports it only reads
    if os.geteuid() != 0:
        sys.exit(
            "This hub runs as root: it starts each user's server under the user's own account. Started as somebody "
            "else, all servers would run under one account, and every user could read and change the files of all."
        )
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (found := STATE.lstat()).st_uid != os.getuid() or found.st_mode & 0o077:
        sys.exit(
            f"{STATE} is a link, somebody else's, or others may enter it: expected a folder of root's. Remove a link; "
            f"else run chown root {STATE} && chmod 700 {STATE}, or name another by LECTURELIB_HUB_STATE"
        )

c: Config = globals().get("c", Config())  # the hub's own, if one runs this file

c.JupyterHub.bind_url = os.environ.get("LECTURELIB_HUB_BIND", "http://127.0.0.1:8000")

c.JupyterHub.db_url = f"sqlite:///{STATE}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = f"{STATE}/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = f"{STATE}/proxy.pid"

c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {os.environ.get("LECTURELIB_HUB_GROUP", "lecture")}
c.PAMAuthenticator.open_sessions = False  # a session of PAM would have to be closed by the same process

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
# As that user: what lies in a home could lead root elsewhere. What goes wrong is logged, and the server starts anyway.
COPY_AND_START = 'timeout 60 "$0" -I "$1" "$2" "$HOME/notebooks"; shift 2; exec "$0" -m jupyterhub.singleuser "$@"'
c.Spawner.cmd = ["sh", "-c", COPY_AND_START, str(PYTHON), str(HERE / "copies.py"), str(NOTEBOOKS)]
c.Spawner.notebook_dir = "~"
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.Spawner.environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # more threads only wait for one another
# JupyterLab shows the limit; this spawner enforces neither. systemdspawner does, with the same two lines.
c.Spawner.mem_limit = "2G"
c.Spawner.cpu_limit = 1.0
c.Spawner.http_timeout = c.Spawner.start_timeout = 120  # a class that begins at once on a few cores
c.JupyterHub.concurrent_spawn_limit = 10

c.JupyterHub.services = [
    {
        "name": "cull-idle",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE}", "--cull-every=300"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "cull-idle",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["cull-idle"],
    }
]
