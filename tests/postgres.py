"""A PostgreSQL of the tests' own: a cluster in a temporary folder, reached by a socket in it, gone at the end."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WAIT = 60  # seconds that starting or stopping may take on a busy machine


def tools() -> Path | None:
    """The folder with initdb and pg_ctl, of the newest version that is installed. Debian keeps them off the PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))
    other = shutil.which("initdb")
    return Path(other).resolve().parent if other else None


@dataclass
class Postgres:
    folder: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://spatz@/{database}?host={self.folder}"


@contextmanager
def running(binaries: Path) -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="spatz-pg-", dir="/tmp"))  # short: a socket's path has 107 bytes at most
    who: dict[str, object] = {}
    if os.getuid() == 0:  # which initdb refuses to be
        users = {user.pw_name: user for user in pwd.getpwall()}
        user = users.get("postgres") or users["nobody"]
        os.chown(folder, user.pw_uid, user.pw_gid)
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = folder / "data"

    def call(tool: str, *arguments: str) -> None:
        done = subprocess.run(
            [binaries / tool, "-D", str(data), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=WAIT,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            **who,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")

    # What would make it safe against a loss of power only makes tests slow.
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "shared_buffers": "16MB",
        "max_connections": "200",
    }
    try:
        call("initdb", "--username=spatz", "--auth=trust", "--encoding=UTF8", "--no-sync")
        with (data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        call("pg_ctl", "start", "--wait", f"--log={folder / 'log'}")
        try:
            yield Postgres(folder)
        finally:
            call("pg_ctl", "stop", "--wait", "--mode=immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
