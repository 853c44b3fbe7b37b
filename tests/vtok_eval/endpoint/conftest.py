"""The misbehaving server for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vtok_eval.endpoint.chat_server import KEY, ChatServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    chat = ChatServer()
    yield chat
    chat.stop()
