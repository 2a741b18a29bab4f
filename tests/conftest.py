"""What tests of every part may use."""

import signal

import pytest
from chromium import CHROMIUM, Browser

# A shell without job control starts what runs in its background deaf to SIGINT, nohup to SIGHUP; so
# would every command be that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    started = Browser(tmp_path_factory.mktemp("chromium"))
    yield started
    started.quit()
