"""A process and its lock, as others see it: alive, killed, gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from spatz.store.drafts import Directory
from spatz.store.instance import Instance

OTHER = """
import sys
from pathlib import Path
from spatz.store.instance import Instance
instance = Instance(Path(sys.argv[1]))
print(instance.name, flush=True)
sys.stdin.read()
"""


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        instance = Instance(tmp_path)
        assert instance.lives(name) is True
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        assert instance.lives(name) is False
        # Who cleans up first leaves the sign by which others see that they may take over.
        directory = Directory(tmp_path)
        directory.sweep(set())
        assert instance.lives(name) is False
        directory.sweep(set())
        assert instance.lives(name) is None


def test_a_process_that_leaves(tmp_path: Path) -> None:
    one, two = Instance(tmp_path / "a"), Instance(tmp_path / "a")
    name = one.name
    assert name == one.name != two.name
    assert two.lives(name) is True
    one.close()
    assert two.lives(name) is None
    assert one.name != name  # it begins anew
    assert sorted(path.suffix for path in (tmp_path / "a").iterdir()) == [".lock", ".lock"]
    one.close()
    two.close()
    two.close()
    assert list((tmp_path / "a").iterdir()) == []
