"""A browser for pages that are files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from scenes.page_browser import Page, browsing, find_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    executable = find_browser()
    if executable is None or shutil.which("bash") is None:
        pytest.skip("no Chromium here")
    with browsing(executable, tmp_path_factory.mktemp("profile")) as page:
        yield page
