"""`spatz batch` as a person meets it: killed, interrupted, run again, and what it says of files that are none."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spatz.cli import main

WAIT = 300
LINES = 200


def request(number: int, **body: object) -> dict[str, object]:
    body = {"model": "gpt-4.1-nano", "prompt": str(number), "max_tokens": 1, **body}
    return {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/completions", "body": body}


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class Terminal:
    """`spatz batch` with a terminal for its progress."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "spatz.cli", "batch", *arguments]
        environ = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=theirs, env=environ)
        os.close(theirs)
        self.text = ""

    def read_to_the_end(self) -> str:
        while self._read():
            pass
        return self.text

    def read_until_done(self, lines: int) -> None:
        while not any(int(done) >= lines for done in re.findall(rf"(\d+)/{LINES}", self.text)):
            assert self._read(), self.text

    def _read(self) -> bool:
        try:
            data = os.read(self._ours, 4096)
        except OSError:  # the other end is closed
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT)
        os.close(self._ours)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    running = Terminal(*arguments)
    try:
        yield running
    finally:
        running.close()


def test_killed_interrupted_and_done(server_dir: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", *(request(number) for number in range(LINES)))
    arguments = (str(source), "--data-dir", str(server_dir))
    output = tmp_path / "in.output.jsonl"
    with terminal(*arguments) as first:
        first.read_until_done(10)
        first.process.kill()
    assert not output.exists()
    with terminal(*arguments) as second:
        second.read_until_done(60)
        second.process.send_signal(signal.SIGINT)
        said = second.read_to_the_end()
        assert second.process.wait(WAIT) == 130
    [stopped] = re.findall(rf"spatz: stopped after (\d+) of {LINES} lines: the same command goes on from there", said)
    assert int(stopped) >= 60
    assert not output.exists()
    with terminal(*arguments) as third:
        said = third.read_to_the_end()
        assert third.process.wait(WAIT) == 0
    assert f"{LINES} of {LINES} lines were answered" in said
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == [f"line-{number}" for number in range(LINES)]
    assert {line["response"]["status_code"] for line in lines} == {200}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "in.output.jsonl"]


def test_failed_lines_have_a_file(server_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in", request(0), request(1, temperature=9))
    output = tmp_path / "out.jsonl"
    code = main(["batch", str(source), "-o", str(output), "--data-dir", str(server_dir)])
    assert code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"spatz: 1 of 2 lines were answered: {output}",
        f"spatz: 1 lines failed: {tmp_path / 'out.errors.jsonl'}",
    ]
    assert json.loads(output.read_text())["custom_id"] == "line-0"
    [wrong] = (tmp_path / "out.errors.jsonl").read_text().splitlines()
    assert json.loads(wrong)["response"]["body"]["error"]["param"] == "temperature"
    assert output.stat().st_mode == source.stat().st_mode  # as other files of this user


def test_stdin_and_a_model_that_is_not_here(server_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "spatz.cli", "batch", "-", "-o", str(output), "--data-dir", str(server_dir)],
        input=json.dumps(request(0, model="gpt-9")).encode(),
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "spatz: stdin, line 1: The model 'gpt-9' does not exist or you do not have access to it.",
        "spatz: stdin cannot be run as a batch: it has errors",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The input file has no requests."),
        (b"{\n", "line 1: This line is not parseable as valid JSON."),
        (json.dumps(request(0)).encode() + b"\n" + json.dumps(request(0)).encode(), "line 2: The custom_id 'line-0'"),
        (json.dumps({**request(0), "url": "/v1/embeddings"}).encode(), "line 1: The URL"),
        (b"{}\n" * 20, "10 of which are shown"),
    ],
)
def test_files_that_are_no_batch(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found out without a model."""
    source = tmp_path / "in.jsonl"
    source.write_bytes(content)
    assert main(["batch", str(source), "--data-dir", str(tmp_path / "none")]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.splitlines()[-1].startswith(f"spatz: {source} cannot be run as a batch: it has errors")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_what_cannot_be_read_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in.jsonl", request(0))
    (tmp_path / "there.jsonl").touch()
    for arguments, words in (
        (["/no/such/file", "-o", str(tmp_path / "x")], "/no/such/file: No such file or directory"),
        ([str(tmp_path), "-o", str(tmp_path / "x")], "Is a directory"),
        ([str(source), "-o", "/no/such/folder/out"], "/no/such/folder/out: No such file or directory"),
        ([str(source), "-o", str(tmp_path / "there.jsonl")], "there.jsonl exists already"),
        (["-"], "-o OUT"),
    ):
        assert main(["batch", *arguments, "--data-dir", str(tmp_path / "none")]) == 2
        captured = capsys.readouterr()
        assert words in captured.err
        assert captured.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "there.jsonl"]


def test_another_input_does_not_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from spatz.commands.batch_job import Job
    from spatz.config import Settings
    from spatz.errors import ConfigError

    source = write(tmp_path / "in.jsonl", request(0))
    output = tmp_path / "out.jsonl"
    with Job(str(source), output) as job:
        job.prepare(Settings())
        with pytest.raises(ConfigError, match="another run"), Job(str(source), output):
            pass
    write(source, request(1))
    with Job(str(source), output) as job, pytest.raises(ConfigError, match="is not what"):
        job.prepare(Settings())
    assert (tmp_path / ".out.jsonl.spatz").exists()  # nothing that was begun is thrown away
