"""What the charts carry from elsewhere in the project is the same there, byte for byte."""

import base64
import filecmp
import tarfile

import pytest
import yaml

from charts import CHARTS, ROOT, complaint, documents, helm, release

MONITORING = release("namespace-monitoring")
# Alertmanager's example stands beside the rules.
RULES = [it for it in sorted((ROOT / "alerts").glob("*.yaml")) if "groups" in yaml.safe_load(it.read_text())]
DASHBOARDS = sorted((ROOT / "dashboards").glob("*.json"))


def rendered(template):
    source = f"# Source: deepgram-sidecar/templates/{template}\n"
    return [it for it in documents(MONITORING.text) if it.startswith(source)]


def test_each_rule_file_is_a_rule_object_and_each_dashboard_a_config_map():
    assert len(rendered("rules.yaml")) == len(RULES)
    assert len(rendered("dashboards.yaml")) == len(DASHBOARDS)


@pytest.mark.parametrize("file", RULES, ids=lambda it: it.name)
def test_rules_are_the_files_own_text(file):
    text = next(it for it in rendered("rules.yaml") if yaml.safe_load(it)["metadata"]["name"] == f"speech-{file.stem}")
    spec = text.split("\nspec:\n", 1)[1].rstrip("\n")
    lines = [line.removeprefix("  ") for line in spec.split("\n")]
    assert "\n".join(lines) + "\n" == file.read_text()
    assert yaml.safe_load(text)["spec"] == yaml.safe_load(file.read_text())


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda it: it.name)
def test_dashboards_are_the_files_own_bytes(file):
    data = MONITORING.the("ConfigMap", f"speech-dashboard-{file.stem}")["data"]
    assert data == {f"deepgram-sidecar-{file.name}": file.read_text()}


def test_the_application_is_the_file_that_is_tested():
    files = CHARTS / "example-app" / "files"
    config_map = release("app-defaults").the("ConfigMap", "demo")
    assert config_map["data"] == {"app.py": (files / "app.py").read_text()}
    assert base64.b64decode(config_map["binaryData"]["speech.wav"]) == (files / "speech.wav").read_bytes()


def test_the_packed_chart_holds_the_files_and_nothing_beside_them(tmp_path):
    done = helm("package", CHARTS / "deepgram-sidecar", "--destination", tmp_path)
    assert done.returncode == 0, complaint(done)
    with tarfile.open(next(tmp_path.glob("*.tgz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    for directory, files in (("alerts", RULES), ("dashboards", DASHBOARDS)):
        packed = tmp_path / "deepgram-sidecar" / "files" / directory
        names = [it.name for it in files]
        assert sorted(it.name for it in packed.glob("*")) == names
        assert not filecmp.cmpfiles(ROOT / directory, packed, names, shallow=False)[1]
