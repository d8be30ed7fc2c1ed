"""Kustomize and plain YAML give the pod that the chart gives."""

import subprocess

import pytest
import yaml

import binary
from charts import ROOT, TOOLS, Release, objects, pod, sidecar
from schemas import judge
from test_policy import podsecurity
from test_schemas import VERSIONS

DEPLOY = ROOT / "deploy"
# What they say once and for all, given to the chart.
CHART = Release("", "example-app", "1.37", {"deepgram-sidecar": {"sessions": 200, "shutdown": {"appSeconds": 10}}})


def kustomize():
    built = [TOOLS / "bin" / "kustomize", "build", DEPLOY / "kustomize" / "example"]
    return objects(subprocess.run(built, check=True, capture_output=True, text=True, timeout=120).stdout)


def plain():
    return objects((DEPLOY / "plain.yaml").read_text())


WAYS = pytest.mark.parametrize("way", [kustomize, plain])


def the(kind, things):
    return next(it for it in things if it["kind"] == kind)


@WAYS
def test_the_pod_is_the_charts(way):
    spec, charts = (pod(the("Deployment", things))["spec"] for things in (way(), CHART.objects))
    assert spec["initContainers"] == [sidecar(pod(CHART.the("Deployment")))]
    for member in ("terminationGracePeriodSeconds", "securityContext", "automountServiceAccountToken"):
        assert spec[member] == charts[member], member
    assert volumes(spec) == volumes(charts)
    app, charts_app = spec["containers"][0], charts["containers"][0]
    assert app["env"] == charts_app["env"]
    assert app["volumeMounts"] == [it for it in charts_app["volumeMounts"] if it["name"] != "app"]


def volumes(spec):
    """Without the name of the ConfigMap, which each way chooses."""
    kept = {it["name"]: it for it in spec["volumes"] if it["name"] != "app"}
    del kept["deepgram-sidecar-config"]["configMap"]["name"]
    return kept


@WAYS
def test_the_configuration_is_the_charts_and_one_that_the_sidecar_takes(way, tmp_path):
    config = the("ConfigMap", way())["data"]["config.yaml"]
    charts = CHART.the("ConfigMap", "demo-deepgram-sidecar")["data"]["config.yaml"]
    assert yaml.safe_load(config) == yaml.safe_load(charts)
    file = tmp_path / "config.yaml"
    file.write_text(config)
    assert binary.sidecar("check-config", "--config", file).returncode == 0


@WAYS
def test_the_pod_names_the_config_map_that_is_there(way):
    named = {it["name"]: it for it in pod(the("Deployment", way()))["spec"]["volumes"]}
    assert named["deepgram-sidecar-config"]["configMap"]["name"] == the("ConfigMap", way())["metadata"]["name"]


def test_the_monitor_is_the_charts_and_finds_the_pods():
    values = {"deepgram-sidecar": {"podMonitor": {"enabled": True}}}
    charts = Release("", "example-app", "1.37", values).the("PodMonitor")["spec"]
    spec = the("PodMonitor", kustomize())["spec"]
    wanted = spec["selector"].pop("matchLabels")
    charts["selector"].pop("matchLabels")
    assert spec == charts
    assert wanted.items() <= pod(the("Deployment", kustomize()))["metadata"]["labels"].items()


@WAYS
@pytest.mark.parametrize("kube", VERSIONS)
def test_kubernetes_takes_every_object(way, kube):
    for thing in way():
        judge(thing, kube)


@WAYS
def test_the_pod_keeps_the_restricted_standard(way):
    done = podsecurity("restricted", [pod(the("Deployment", way()))])
    assert done.returncode == 0, done.stdout + done.stderr
