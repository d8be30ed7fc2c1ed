"""Everything that is rendered is what the cluster's API takes."""

import pytest
from jsonschema import ValidationError

from charts import Release, release, releases
from schemas import judge

VERSIONS = ["1.29", "1.33", "1.37"]


@pytest.mark.parametrize("kube", VERSIONS)
def test_kubernetes_takes_every_object(release, kube):
    for thing in release.objects:
        judge(thing, kube)


def test_the_releases_cover_the_versions_that_are_judged():
    assert set(VERSIONS) <= {it.kube for it in releases()}


@pytest.mark.parametrize(
    "breakage",
    [
        lambda pod: pod["spec"]["initContainers"][0].update(restartPolicy="Sometimes!", restart="Always"),
        lambda pod: pod["spec"]["initContainers"][0]["ports"][0].update(containerPort="many"),
        lambda pod: pod["spec"].update(terminationGracePeriod=30),
    ],
)
def test_a_broken_pod_is_refused(breakage):
    deployment = release("app-defaults").the("Deployment")
    breakage(deployment["spec"]["template"])
    with pytest.raises(ValidationError):
        judge(deployment, VERSIONS[0])


@pytest.mark.parametrize(
    "breakage",
    [
        lambda spec: spec.update(samplelimit=1),
        lambda spec: spec["podMetricsEndpoints"][0].update(interval="often"),
        lambda spec: spec["podMetricsEndpoints"][0]["relabelings"][0].update(target="job"),
    ],
)
def test_a_broken_monitor_is_refused(breakage):
    monitor = release("namespace-monitoring").the("PodMonitor")
    breakage(monitor["spec"])
    with pytest.raises(ValidationError):
        judge(monitor, VERSIONS[0])


def test_an_older_cluster_has_no_native_sidecars():
    deployment = Release("old", "example-app", "1.37", {}).the("Deployment")
    with pytest.raises(ValidationError, match="restartPolicy"):
        judge(deployment, "1.27")
