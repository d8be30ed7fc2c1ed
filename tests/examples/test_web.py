"""The applications with a page, each used by a browser whose microphone plays the recording."""

import json

import pytest

from processes import EXAMPLES, ROOT, TOOLS, Process, python

# How each is started, and what its line says that tells its address. Port 0 is one of the system's choice.
APPLICATIONS = {
    "fastapi": ([*python("fastapi"), "-m", "uvicorn", "app:app", "--port", "0"], "Uvicorn running on "),
    "node": (["node", "server.js"], "Open "),
}


class Application(Process):
    """One of the applications."""

    def __init__(self, name, sidecar):
        command, announcement = APPLICATIONS[name]
        modules = str(TOOLS / "node" / "node_modules")
        super().__init__(*command, cwd=EXAMPLES / name, SIDECAR_URL=sidecar, NODE_PATH=modules, PORT="0")
        self.url = self.line(announcement).split(announcement)[1].split()[0].replace("127.0.0.1", "localhost")


class Browser(Process):
    """A page in Chromium. What is done is answered by the texts that the page shows then."""

    def __init__(self, url, recording):
        script = ROOT / "tests" / "examples" / "browser" / "watch.mjs"
        super().__init__("node", script, TOOLS / "browser", url, recording)

    def do(self, **what):
        self.say(json.dumps(what))
        return json.loads(self.line("{"))


@pytest.fixture(params=APPLICATIONS)
def name(request):
    return request.param


def test_the_page_shows_what_deepgram_says(name, sidecar, spoken, truth, outcomes, streams):
    with Application(name, sidecar.url) as application, Browser(application.url, spoken) as browser:
        browser.do(click="#toggle")
        assert browser.do(wait=["final", truth])["final"] == truth
        end = browser.do(click="#toggle", wait=["toggle", "Start"])
        assert end == {"final": truth, "interim": "", "status": "Press Start and speak.", "toggle": "Start"}
    assert outcomes() == {"finished": 1}
    [stream] = streams()
    assert "sample_rate=44100" in stream["query"]


def test_a_session_ends_properly_when_the_application_is_stopped(name, sidecar, spoken, outcomes):
    with Application(name, sidecar.url) as application, Browser(application.url, spoken) as browser:
        browser.do(click="#toggle")
        browser.do(wait=["final", "He was"])
        # uvicorn ends by the signal that it has handled.
        assert application.stop() in (0, -15)
        assert browser.do(wait=["toggle", "Start"])["status"] == "The application has stopped."
    assert outcomes() == {"finished": 1}


def test_the_page_says_that_no_sidecar_is_there(name, nowhere, spoken):
    with Application(name, nowhere) as application, Browser(application.url, spoken) as browser:
        status = browser.do(click="#toggle", wait=["status", "sidecar"])["status"]
        assert status.startswith(f"Cannot reach the sidecar at {nowhere} (")
        assert status.endswith("Is it running, with ipc.tcp_listen set?")
        assert browser.do(wait=["toggle", "Start"])["toggle"] == "Start"
        assert status in application.line("Cannot reach")


def test_a_session_ends_properly_when_the_page_is_gone(name, sidecar, spoken, outcomes):
    with Application(name, sidecar.url) as application:
        with Browser(application.url, spoken) as browser:
            browser.do(click="#toggle")
            browser.do(wait=["final", "He was"])
        assert outcomes() == {"finished": 1}
