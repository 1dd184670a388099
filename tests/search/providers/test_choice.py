"""Who is asked, by the operator's settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inputs.asking import answer
from search.providers.serving import Api
from spatz.config import Settings
from spatz.errors import ConfigError
from spatz.search.providers import NAMES, providers_of
from spatz.search.providers import ddgs as ddgs_file
from spatz.search.query import SearchQuery
from spatz.search.result import ProviderError


def names(folder: Path, **settings: Any) -> list[str]:
    return [provider.name for provider in providers_of(Settings(data_dir=folder, **settings))]


def test_without_a_choice_all_that_is_set_up_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = {"search_url": "http://127.0.0.1:8888", "brave_key": "b", "tavily_key": "t"}
    assert names(tmp_path, **everything) == ["searxng", "brave", "tavily"]
    assert names(tmp_path, brave_key="b") == ["brave"]
    monkeypatch.setattr(ddgs_file, "is_installed", lambda: True)
    assert names(tmp_path) == ["ddgs"]
    assert names(tmp_path, search_url=" ", tavily_key=" ") == ["ddgs"]
    monkeypatch.setattr(ddgs_file, "is_installed", lambda: False)
    assert names(tmp_path) == []


def test_the_local_index_is_asked_when_it_holds_anything(tmp_path: Path) -> None:
    from spatz.search.index.entry import NewDocument
    from spatz.search.index.local_index import LocalIndex

    index = LocalIndex.open(tmp_path / "index")
    index.add([NewDocument("https://a.org/1", "One", "The first page.")])
    assert names(tmp_path, brave_key="b") == ["local", "brave"]
    assert names(tmp_path) == ["local"]
    index.remove("https://a.org/1")
    assert names(tmp_path, brave_key="b") == ["brave"]
    index.close()


def test_an_index_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    from spatz.search.index import index_file

    folder = tmp_path / "index"
    folder.mkdir()
    index_file.path_of(folder).write_bytes(b"this is no database" * 100)
    assert names(tmp_path, brave_key="b") == ["local", "brave"]


def test_those_named_are_asked_in_that_order(tmp_path: Path) -> None:
    chosen = ("tavily", "Brave", "tavily")
    assert names(tmp_path, search_providers=chosen, brave_key="b", tavily_key="t") == ["tavily", "brave"]
    assert names(tmp_path, search_providers=("off",), brave_key="b") == []
    assert names(tmp_path, search_providers=("local",)) == ["local"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"search_providers": ("google",)},
            "there is no 'google'; there are local, searxng, brave, tavily, ddgs, and off",
        ),
        ({"search_providers": ("off", "ddgs")}, "off stands alone"),
        ({"search_providers": ("searxng",)}, r"names searxng, and search_url \(SPATZ_SEARCH_URL\) is empty"),
        ({"search_providers": ("brave",)}, r"names brave, and brave_key \(SPATZ_BRAVE_KEY\) is empty"),
        ({"search_providers": ("tavily",)}, r"names tavily, and tavily_key \(SPATZ_TAVILY_KEY\) is empty"),
        ({"brave_key": "two words"}, "brave_key has characters that no key has"),
        ({"tavily_key": "schlüssel"}, "tavily_key has characters that no key has"),
        ({"search_url": "my server"}, "search_url is not the base URL of a SearXNG server"),
    ],
)
def test_what_is_set_up_wrongly_is_told_to_the_operator(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        names(tmp_path, **settings)
    assert "two words" not in str(caught.value) and "schlüssel" not in str(caught.value)


def test_a_provider_whose_library_is_missing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ddgs_file, "is_installed", lambda: False)
    with pytest.raises(ConfigError, match=r"ddgs, which is not installed: pip install 'spatz\[search\]'"):
        names(tmp_path, search_providers=("ddgs",))


async def test_public_providers_are_asked_through_the_operators_proxy_and_a_server_of_his_own_is_not(
    tmp_path: Path, served: Api
) -> None:
    served.answers = [answer(b"", status="502 Bad Gateway")]
    asked = providers_of(
        Settings(
            data_dir=tmp_path,
            search_url="http://127.0.0.1:9",
            brave_key="b",
            tavily_key="t",
            fetch_proxy=f"http://127.0.0.1:{served.port}",
        )
    )
    told = []
    for provider in asked:
        with pytest.raises(ProviderError) as caught:
            await provider.search(SearchQuery("x"))
        told.append(str(caught.value))
    assert told == ["cannot be reached", *["cannot be reached through the proxy"] * 2]
    assert [(one.method, one.target) for one in served.asked] == [
        ("CONNECT", "api.search.brave.com:443"),
        ("CONNECT", "api.tavily.com:443"),
    ]


def test_no_library_is_imported_before_it_is_asked() -> None:
    code = """if True:
    import sys, tempfile
    from pathlib import Path
    from spatz.config import Settings
    from spatz.search.providers import providers_of
    import spatz.search.searcher
    providers_of(Settings(data_dir=Path(tempfile.gettempdir()) / "no such folder", search_url="http://a.org",
        brave_key="b", tavily_key="t"))
    providers_of(Settings(search_providers=("ddgs",)))
    print(*{name.partition('.')[0] for name in sys.modules})
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"httpx", "ddgs", "primp", "lxml", "tantivy", "trafilatura"} & set(done.stdout.split())
    assert NAMES == ("local", "searxng", "brave", "tavily", "ddgs")
