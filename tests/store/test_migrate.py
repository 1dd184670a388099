"""The schema: the one that the tables declare, made once, by whoever comes first, and never half."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import spatz.store
from spatz.errors import ConfigError
from spatz.store import migrate
from spatz.store.db import Database, metadata

PAUSE = """
revision, down_revision = "{number}", "{before}"
import sqlalchemy as sa
from alembic import op

def upgrade():
    {body}
"""


def tables_declared() -> None:
    for module in pkgutil.iter_modules(spatz.store.__path__):
        importlib.import_module(f"spatz.store.{module.name}")


def test_the_tables_are_those_that_the_migrations_make(database: Database) -> None:
    tables_declared()
    with database.transaction() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_the_migrations_are_one_chain_named_by_number() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    chain = [revision.revision for revision in script.walk_revisions()][::-1]
    assert chain == [f"{number:04}" for number in range(1, len(chain) + 1)]
    assert script.get_heads() == [migrate.head()]


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations, to be added to; the next number is 9001."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)
    return folder / "versions"


def add(folder: Path, number: str, before: str, *body: str) -> None:
    text = PAUSE.format(number=number, before=before, body="\n    ".join(body))
    (folder / f"{number}_later.py").write_text(text)


def test_a_migration_that_fails_changes_nothing(database: Database, later: Path) -> None:
    before = migrate.head()
    add(later, "9001", before, 'op.create_table("half", sa.Column("n", sa.Integer))', 'op.execute("nonsense")')
    with pytest.raises(ConfigError, match=r"the database .*cannot be used: .*nonsense"):
        migrate.migrate(database)
    with database.transaction() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == before
        assert not database.engine.dialect.has_table(connection, "half")


def test_a_table_made_anew_keeps_what_refers_to_it(database: Database, later: Path) -> None:
    """Batch mode copies a table of SQLite and drops the old one, which would delete what refers to its rows."""
    add(
        later,
        "9001",
        migrate.head(),
        'op.create_table("parent", sa.Column("n", sa.Integer, primary_key=True))',
        'reference = sa.ForeignKey("parent.n", ondelete="CASCADE")',
        'op.create_table("child", sa.Column("n", sa.Integer, reference))',
        'op.execute("INSERT INTO parent VALUES (1)")',
        'op.execute("INSERT INTO child VALUES (1)")',
        'with op.batch_alter_table("parent", recreate="always") as batch:',
        '    batch.add_column(sa.Column("more", sa.Integer))',
    ) if database.kind == "sqlite" else add(
        later,
        "9001",
        migrate.head(),
        'op.create_table("parent", sa.Column("n", sa.Integer, primary_key=True), sa.Column("more", sa.Integer))',
        'reference = sa.ForeignKey("parent.n", ondelete="CASCADE")',
        'op.create_table("child", sa.Column("n", sa.Integer, reference))',
        'op.execute("INSERT INTO parent VALUES (1)")',
        'op.execute("INSERT INTO child VALUES (1)")',
    )
    migrate.migrate(database)
    with database.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM child")).scalar() == 1
        connection.execute(text("DELETE FROM parent"))  # and the reference is minded again
        assert connection.execute(text("SELECT count(*) FROM child")).scalar() == 0


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="of a newer version of Spatz"):
        migrate.migrate(database)


OPEN = "import sys; from pathlib import Path; from spatz.store.db import Database; "


def test_processes_that_start_at_once_do_not_collide(empty_url: str, tmp_path: Path) -> None:
    code = OPEN + "sys.stdin.read(); Database.open(sys.argv[1], Path(sys.argv[2])).close()"
    command = [sys.executable, "-c", code, empty_url, str(tmp_path)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    for process in started:
        with process:
            assert process.stderr is not None
            errors = process.stderr.read()
            assert process.wait(60) == 0, errors.decode()


def test_a_current_schema_is_seen_without_alembic(tmp_path: Path) -> None:
    Database.open("", tmp_path).close()
    code = OPEN + "Database.open('', Path(sys.argv[1])).close(); assert 'alembic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "spatz.db").write_bytes(b"these are not the bytes of a database" * 1000)
    with pytest.raises(ConfigError, match=r"the database .*spatz\.db cannot be used: file is not a database"):
        Database.open("", tmp_path)
    assert (tmp_path / "spatz.db").read_bytes().startswith(b"these are")


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    database = Database.open("", tmp_path)
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE big (data TEXT)"))
        connection.execute(text("INSERT INTO big VALUES (:data)"), [{"data": "x" * 2000}] * 100)
    database.close()
    data = bytearray((tmp_path / "spatz.db").read_bytes())
    half = len(data) // 2
    data[half:] = bytes(len(data) - half)
    (tmp_path / "spatz.db").write_bytes(data)
    with pytest.raises(ConfigError, match=r"cannot be used: .*(damaged|malformed)"):
        Database.open("", tmp_path)


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "spatz.db").mkdir()
    with pytest.raises(ConfigError, match=r"spatz\.db cannot be used: Is a directory"):
        Database.open("", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be used: File exists|Not a directory"):
        Database.open("", tmp_path / "file")
