"""Helm's own lint, and the goldens: what every kind of release sends to a cluster."""

import os
import re

import pytest

from charts import CHARTS, DEPLOY, complaint, documents, helm, releases

GOLDENS = DEPLOY / "goldens"


@pytest.mark.parametrize("chart", ["deepgram-sidecar", "example-app"])
def test_helm_finds_nothing_to_say(chart):
    done = helm("lint", "--strict", CHARTS / chart)
    assert done.returncode == 0, done.stdout + complaint(done)
    assert "[WARNING]" not in done.stdout


def test_a_release_renders_as_its_golden_says(release):
    golden = GOLDENS / f"{release.name}.yaml"
    rendered = shortened(release.text)
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(rendered)
    assert rendered == golden.read_text(), "after a change that is meant, UPDATE_GOLDENS=1 writes the goldens anew"


def test_there_is_no_golden_without_a_release():
    assert {it.stem for it in GOLDENS.iterdir()} == {it.name for it in releases()}


def shortened(text):
    """Without what is a file of its own, and tested to be the same as that: alerts, dashboards, the application."""
    kept = [it for it in documents(text) if not re.match(r"# Source: \S+/(rules|dashboards)\.yaml\n", it)]
    text = "---\n".join(["", *kept])
    text = re.sub(r"(?m)^  app\.py: \|\n(    .*\n|\s*\n)+", "  app.py: …\n", text)
    return re.sub(r"(?m)^  speech\.wav: .*$", "  speech.wav: …", text)
