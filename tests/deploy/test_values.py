"""The values: explained, and judged by a schema that knows the sidecar's own keys."""

import json
import re

import jsonschema
import pytest
import yaml

import binary
from charts import CHARTS, Release, pod, release, sidecar

SCHEMA = json.loads((CHARTS / "deepgram-sidecar" / "values.schema.json").read_text())
# What the chart decides itself.
OWN = {
    "ipc.socket", "ipc.max_sessions", "ipc.tcp_token_file", "admin.listen", "upstream.api_key_file", "upstream.ca_file",
    "drain.timeout", "drain.linger",
}  # fmt: skip


def leaves(tree, path=()):
    """The values of a tree of mappings by their dotted path."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield ".".join((*path, key)), value


def schema_leaves(schema, path=()):
    for key, value in schema.get("properties", {}).items():
        if "properties" in value:
            yield from schema_leaves(value, (*path, key))
        else:
            yield ".".join((*path, key)), value


def defaults():
    """The sidecar's own."""
    shown = binary.sidecar("print-config")
    return dict(leaves(yaml.load(shown.stdout, Loader=yaml.BaseLoader)))


def test_the_schema_knows_the_keys_of_the_sidecar_less_the_charts_own():
    known = {path for path, _ in schema_leaves(SCHEMA["properties"]["config"])}
    assert known == set(defaults()) - OWN


def test_the_configuration_that_sets_every_key_sets_every_key():
    config = release("app-every-setting").values["deepgram-sidecar"]["config"]
    assert {path for path, _ in leaves(config)} == set(defaults()) - OWN


def test_the_schema_takes_the_sidecars_own_defaults():
    shown = yaml.safe_load(binary.sidecar("print-config").stdout)
    for path in OWN:
        section, key = path.split(".")
        del shown[section][key]
    config = {section: keys for section, keys in shown.items() if keys}
    jsonschema.validate({"config": config}, SCHEMA)


def test_every_object_of_the_schema_is_closed():
    def open_objects(schema, path=""):
        if isinstance(schema, dict):
            if "properties" in schema and schema.get("additionalProperties") is not False:
                yield path
            for key, value in schema.items():
                yield from open_objects(value, f"{path}/{key}")

    for chart in ("deepgram-sidecar", "example-app"):
        schema = json.loads((CHARTS / chart / "values.schema.json").read_text())
        assert list(open_objects(schema)) == []


@pytest.mark.parametrize("chart", ["deepgram-sidecar", "example-app"])
def test_the_schema_and_the_values_have_the_same_keys(chart):
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text())
    values = yaml.safe_load((CHARTS / chart / "values.yaml").read_text())
    in_schema = {path for path, _ in schema_leaves(schema) if not path.startswith(("config.", "global"))}
    free = {"config", "dashboards.labels", "resources", "emulator.resources", "deepgram-sidecar"}
    in_values = {next((it for it in free if path.startswith(f"{it}.")), path) for path, _ in leaves(values)}
    resources = {path for path in in_schema if path.startswith("resources.")}
    assert in_schema - resources | ({"resources"} if resources else set()) == in_values - {"config"}


@pytest.mark.parametrize("chart", ["deepgram-sidecar", "example-app"])
def test_every_key_with_a_value_is_explained_above(chart):
    lines = (CHARTS / chart / "values.yaml").read_text().splitlines()
    pairs = zip(["", *lines], lines, strict=False)
    with_value = ((above, line) for above, line in pairs if re.match(r" *[\w-]+: \S", line))
    assert [line for above, line in with_value if not above.lstrip().startswith("#")] == []


def test_the_configuration_that_is_rendered_is_one_that_the_sidecar_takes(release, tmp_path):
    config_maps = (it["data"] for it in release.objects if it["kind"] == "ConfigMap")
    (config,) = (it["config.yaml"] for it in config_maps if "config.yaml" in it)
    file = tmp_path / "config.yaml"
    file.write_text(config)
    done = binary.sidecar("check-config", "--config", file)
    assert done.returncode == 0, done.stderr


def test_what_is_given_is_in_effect(tmp_path):
    every_setting = release("app-every-setting")
    file = tmp_path / "config.yaml"
    file.write_text(every_setting.the("ConfigMap", "demo-deepgram-sidecar")["data"]["config.yaml"])
    in_effect = dict(leaves(yaml.safe_load(binary.sidecar("print-config", "--config", file).stdout)))
    for path, value in leaves(every_setting.values["deepgram-sidecar"]["config"]):
        # `off` is a boolean to some parsers of YAML.
        assert in_effect[path] == (False if value == "off" else value), path


def test_a_changed_configuration_rolls_the_pods_and_nothing_else_does():
    def checksum(values):
        rendered = Release("", "example-app", "1.37", {"deepgram-sidecar": values}).the("Deployment")
        return pod(rendered)["metadata"]["annotations"]["deepgram-sidecar/config-checksum"]

    as_it_is = checksum({})
    assert checksum({"config": {"keepalive": {"interval": "4s"}}}) != as_it_is
    assert checksum({"podMonitor": {"enabled": True}, "image": {"tag": "0.2.0"}}) == as_it_is


def resources_of(values):
    deployment = Release("", "example-app", "1.37", {"deepgram-sidecar": values}).the("Deployment")
    resources = sidecar(pod(deployment))["resources"]
    assert "cpu" not in resources["limits"]
    return resources["requests"]["cpu"], resources["requests"]["memory"], resources["limits"]["memory"]


def test_requests_and_limits_follow_the_sessions():
    shown = [resources_of({"sessions": sessions}) for sessions in (1, 200, 2000)]
    assert shown == [("21m", "16512Ki", "33792Ki"), ("120m", "41984Ki", "237568Ki"), ("1020m", "272384Ki", "2080768Ki")]


def test_without_recovery_it_needs_less_memory():
    latched = {"config": {"recovery": {"mode": "latch"}}}
    assert resources_of({"sessions": 200, **latched}) == ("120m", "22784Ki", "109568Ki")


def test_a_gate_needs_more_of_both():
    for mode in ("shadow", "active"):
        gated = {"config": {"vad": {"mode": mode}}}
        assert resources_of({"sessions": 200, **gated}) == ("220m", "48384Ki", "243968Ki")
    for mode in ("off", False):
        assert resources_of({"sessions": 200, "config": {"vad": {"mode": mode}}}) == resources_of({"sessions": 200})


def test_sessions_recover_unless_the_values_say_otherwise():
    def recovery(values):
        release = Release("", "example-app", "1.37", {"deepgram-sidecar": values})
        config_map = release.the("ConfigMap", "demo-deepgram-sidecar")
        return yaml.safe_load(config_map["data"]["config.yaml"])["recovery"]

    assert recovery({}) == {"mode": "reconnect"}
    assert recovery({"config": {"recovery": {"ring": "10s"}}}) == {"mode": "reconnect", "ring": "10s"}
    assert recovery({"config": {"recovery": {"mode": "latch"}}}) == {"mode": "latch"}
