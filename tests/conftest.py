"""What tests of every part may use."""

import pytest
from chromium import CHROMIUM, Browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    started = Browser(tmp_path_factory.mktemp("chromium"))
    yield started
    started.quit()
