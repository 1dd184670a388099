"""The command line as a person meets it: what it prints where, its exit codes, and errors of one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spatz import __version__
from spatz.cli import main
from spatz.commands.run import message_content, prompt_parts
from spatz.commands.serve import greeting
from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.inputs.part import InputPart

WAIT = 300
ASKED = "The capital of France is Paris. So what is the capital of France?"  # what a small model cannot get wrong
COMMANDS = ("serve", "run", "chat", "batch", "pull", "models", "keys", "usage", "bench", "cost")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("SPATZ_") and name != "SPATZ_DATA_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def spatz(*arguments: str, stdin: bytes | int = subprocess.DEVNULL) -> subprocess.CompletedProcess[bytes]:
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    return subprocess.run(
        [sys.executable, "-m", "spatz.cli", *arguments], capture_output=True, timeout=WAIT, check=False, **given
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"spatz {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"spatz {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["fly"], 2, "fly"),
        (["run", "hi", "--temprature", "1"], 2, "--temprature"),
        (["run", "hi", "--temperature", "warm"], 2, "--temperature"),
        (["run", "hi", "-f", "/no/such/file"], 2, "/no/such/file"),
        (["run", "hi", "--raw", "--system", "x"], 2, "--system"),
        (["run", "hi", "-i", "/no/such/image"], 2, "/no/such/image"),
        (["run", "hi", "--pages", "3-1", "-f", __file__], 2, "'3-1' is no page"),
        (["run", "hi", "--pages", "3", "-f", __file__], 2, "--pages is about a file with pages"),
        (["run", "hi", "-f", sys.executable], 2, "looks like a program"),
        (["run", ""], 2, "empty"),
        (["run", "hi", "--threads", "-1"], 2, "--threads: -1 is below 0"),
        (["run", "hi", "--kv", "int2"], 2, "--kv"),
        (["run", "hi", "--context", "all"], 2, "--context"),
        (["serve", "--host", "0.0.0.0"], 2, "without an API key"),
        (["serve", "--port", "99999"], 2, "--port: 99999 is above 65535"),
        (["serve", "--api-key", "x"], 2, "--api-key"),
        (["serve", "--config", "/no/such.toml"], 2, "/no/such.toml: there is no such file"),
        (["pull", "no-such-model"], 1, "no-such-model"),
        (["pull", "/no/such/model.gguf"], 1, "/no/such/model.gguf"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if arguments[0] != "fly":
        arguments = [*arguments, "--data-dir", str(tmp_path)]
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("spatz: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


@pytest.mark.parametrize("arguments", [["--debug", "pull", "none"], ["pull", "none", "--debug"]])
def test_debug_shows_the_trace(arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([*arguments, "--data-dir", str(tmp_path)]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_variable_that_is_no_setting_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SPATZ_THREDS", "1")
    assert main(["models", "--data-dir", str(tmp_path)]) == 0
    assert "SPATZ_THREDS is no setting" in capsys.readouterr().err


def test_models(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models", "--json", "--data-dir", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["name"] == "smollm2-135m-instruct"
    assert not any(row["installed"] for row in rows)
    assert main(["models", "--data-dir", str(tmp_path)]) == 0
    assert "smollm2-135m-instruct" in capsys.readouterr().out


def test_prompt_of_files_and_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("one\n")
    (tmp_path / "b").write_text("two")
    monkeypatch.setattr("spatz.commands.run._piped", lambda: False)
    parts = prompt_parts("three", [tmp_path / "a", tmp_path / "b"], [], Settings())
    assert message_content(parts) == "one\n\ntwo\n\nthree"
    (tmp_path / "c").write_bytes("Grüße".encode("latin-1"))  # no UTF-8: it is read like any other file
    [part, text] = prompt_parts("x", [tmp_path / "c"], [], Settings())
    assert isinstance(part, InputPart) and (part.filename, text) == ("c", "x")
    with pytest.raises(ConfigError, match=r"a: You uploaded an unsupported image"):
        prompt_parts("x", [], [tmp_path / "a"], Settings())
    (tmp_path / "d").write_bytes(b"%PDF-" + bytes(1 << 20))
    with pytest.raises(ConfigError, match=r"d: larger than 1 MiB \(--input-mb\)"):
        prompt_parts("x", [tmp_path / "d"], [], Settings(input_mb=1))
    with pytest.raises(ConfigError, match="not UTF-8"):
        prompt_parts("\udcff", [], [], Settings())
    with pytest.raises(ConfigError, match="directory"):
        prompt_parts("x", [tmp_path], [], Settings())


def test_greeting() -> None:
    text = greeting(Settings(), "m", 81, keys=False)
    assert "curl http://127.0.0.1:81/v1/chat/completions -H" in text
    compile(text[text.index("from openai") :], "snippet", "exec")
    text = greeting(Settings(host="::", api_key=("hunter2",), aliases=()), "m", 81, keys=True)
    assert "http://[::1]:81/v1" in text
    assert "$SPATZ_API_KEY" in text
    assert "hunter2" not in text
    assert '"model": "m"' in text
    compile(text[text.index("import os") :], "snippet", "exec")


@pytest.mark.usefixtures("model_path")
class TestRealModel:
    def test_run(self) -> None:
        done = spatz("run", ASKED, "--temperature", "0", "--max-tokens", "20")
        assert done.returncode == 0, done.stderr
        assert b"Paris" in done.stdout
        assert done.stdout.endswith(b"\n")

    def test_run_json_from_stdin_and_file(self, tmp_path: Path) -> None:
        (tmp_path / "note.txt").write_text("The secret word is heron.")
        flags = ("--json", "--seed", "1", "--max-tokens", "5", "-f", str(tmp_path / "note.txt"))
        answers = [spatz("run", *flags, stdin=b"Which word is secret?").stdout for _ in range(2)]
        first, second = (json.loads(answer) for answer in answers)
        assert first["text"] == second["text"]
        assert first["usage"]["completion_tokens"] <= 5
        assert first["usage"]["total_tokens"] == first["usage"]["prompt_tokens"] + first["usage"]["completion_tokens"]
        assert first["finish_reason"] in ("stop", "length")
        assert first["usage"]["spatz"] == {"mode": "exact", "blocks": 0, "spans": []}

    def test_run_reads_images_and_files(self, tmp_path: Path) -> None:
        image = pytest.importorskip("PIL.Image").new("RGB", (300, 200), "white")
        image.save(tmp_path / "blank.png")
        (tmp_path / "note.html").write_text("<p>The secret word is heron.</p>" * 2, encoding="utf-16")
        flags = ("-i", str(tmp_path / "blank.png"), "-f", str(tmp_path / "note.html"), "-t", "0", "-n", "10")
        done = spatz("run", "Which word is secret?", "--json", *flags)
        told = json.loads(done.stdout)
        assert "heron" in told["text"].lower()
        [first, second] = told["usage"]["spatz"]["inputs"]
        assert (first["kind"], second["kind"]) == ("image", "text")
        assert first["param"] == str(tmp_path / "blank.png")
        assert told["usage"]["prompt_tokens_details"]["image_tokens"] == first["tokens"] > 0
        assert f"{tmp_path / 'blank.png'}: {first['notes'][0]['message']}" in done.stderr.decode()
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
        broken = spatz("run", "?", "-i", str(tmp_path / "broken.png"))
        assert broken.returncode == 2 and str(tmp_path / "broken.png") in broken.stderr.decode()

    def test_run_skims(self, tmp_path: Path) -> None:
        fact = "The secret word of the harbour master is heron.\n"
        lines = [f"Line {number} tells of the weather on day {number * 7}.\n" for number in range(3000)]
        (tmp_path / "log.txt").write_text("".join([*lines[:1700], fact, *lines[1700:]]))
        question = "What is the secret word of the harbour master?"
        flags = ("-f", str(tmp_path / "log.txt"), "--context", "skim", "-t", "0", "-n", "20")
        told = json.loads(spatz("run", question, "--json", *flags).stdout)
        assert told["usage"]["spatz"]["mode"] == "skim"
        assert told["usage"]["spatz"]["spans"]
        assert told["usage"]["prompt_tokens"] > 30_000
        assert "heron" in told["text"].lower()
        done = spatz("run", question, *flags)
        assert b"skimmed: of the prompt's" in done.stderr
        refused = spatz("run", question, "-f", str(tmp_path / "log.txt"), "--context", "exact")
        assert refused.returncode == 1 and b"maximum context length is 8192 tokens" in refused.stderr

    def test_run_raw_and_cut(self) -> None:
        done = spatz("run", "--raw", "One, two, three, four,", "-t", "0", "-n", "4")
        assert b"five" in done.stdout
        assert b"cut after 4 tokens" in done.stderr

    def test_absurd_sampling_flags(self) -> None:
        for flags in (("--temperature", "nan"), ("--top-p", "2"), ("--max-tokens", "0"), ("--seed", "9" * 30)):
            done = spatz("run", "hi", *flags)
            assert done.returncode == 1
            assert done.stderr.startswith(b"spatz: Invalid")
            assert done.stderr.count(b"\n") == 1

    def test_a_reader_that_goes(self) -> None:
        command = [sys.executable, "-m", "spatz.cli", "run", "Count.", "--ignore-eos", "-n", "4000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(1)
            process.stdout.close()
            assert process.wait(WAIT) == 141
            assert process.stderr.read() == b""

    def test_interrupt(self) -> None:
        command = [sys.executable, "-m", "spatz.cli", "run", "Count.", "--ignore-eos", "-n", "4000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(1)
            process.send_signal(2)
            _, errors = process.communicate(timeout=WAIT)
            assert process.returncode == 130
            assert b"Traceback" not in errors

    def test_chat(self) -> None:
        lines = ASKED.encode() + b"\n/nonsense\n/reset\n/system Be brief.\n/help\n\nHello\n/exit\nnever\n"
        done = spatz("chat", "-t", "0", "-n", "20", stdin=lines)
        assert done.returncode == 0, done.stderr
        assert b"Paris" in done.stdout
        assert b"forget what was said" in done.stdout
        assert b"there is no command /nonsense" in done.stderr

    def test_models_lists_it(self) -> None:
        rows = json.loads(spatz("models", "--json").stdout)
        assert "smollm2-135m-instruct" in {row["name"] for row in rows if row["installed"]}
