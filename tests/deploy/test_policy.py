"""The pods, judged by Kubernetes' Pod Security Standards and by kube-score."""

import json
import subprocess

import pytest

from charts import TOOLS, pod, release

# What kube-score may find, with all of its checks on.
EXCEPTIONS = {
    "container-image-pull-policy": "a version's image never changes, and a registry that is away must not matter",
    "container-resource-requests-equal-limits": "limits hold the worst case, which few nodes should reserve",
    "container-cpu-requests-equal-limits": "there is no limit on CPU: throttling stops all clocks of all sessions",
    "container-memory-requests-equal-limits": "limits hold the worst case, which few nodes should reserve",
    "container-ephemeral-storage-request-equals-limit": "logs are rotated by the node, at a size of its own",
    "deployment-has-host-podantiaffinity": "pods are spread by topologySpreadConstraints",
    "pod-networkpolicy": "the policy is for whoever installs it, since it limits the application too",
}
# And in releases that are made to have it.
IN_RELEASE = {
    "namespace-monitoring": {"networkpolicy-targets-pod"},  # the pods are those of other charts
    "app-users-from-the-cluster": {"container-security-context-user-group-id"},  # the cluster gives them
}
# For the emulator alone: it holds nothing that a second one would save.
EMULATOR = {"deployment-replicas"}
PERFECT = 10


def test_the_pods_keep_the_restricted_standard(release):
    done = podsecurity("restricted", pods_of(release))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "breakage",
    [
        lambda it: it["securityContext"].pop("capabilities"),
        lambda it: it["securityContext"].update(runAsUser=0),
        lambda it: it["securityContext"].update(seccompProfile={"type": "Unconfined"}),
        lambda it: it["securityContext"].update(allowPrivilegeEscalation=True),
    ],
)
def test_a_lax_sidecar_breaks_it(breakage):
    pods = pods_of(release("app-defaults"))
    breakage(pods[0]["spec"]["initContainers"][0])
    done = podsecurity("restricted", pods)
    assert done.returncode == 1
    assert "deepgram-sidecar" in done.stdout


def test_kube_score_finds_no_more_than_the_exceptions(release):
    findings = {check for check, name in kube_score(release.text) if name != "deepgram-emulator"}
    assert findings <= set(EXCEPTIONS) | IN_RELEASE.get(release.name, set())
    if release.name == "app-self-hosted":
        assert "pod-networkpolicy" not in findings, "it installs one"


def test_every_exception_is_needed():
    assert {check for check, _ in kube_score(release("app-defaults").text)} == set(EXCEPTIONS)
    of_emulator = {check for check, name in kube_score(release("app-laptop").text) if name == "deepgram-emulator"}
    assert of_emulator - set(EXCEPTIONS) == EMULATOR


def test_the_pods_have_no_token_of_the_cluster(release):
    assert all(it["spec"]["automountServiceAccountToken"] is False for it in pods_of(release))


def pods_of(release):
    workloads = [it for it in release.objects if it["kind"] == "Deployment"]
    return [{**pod(it), "metadata": {**pod(it)["metadata"], "name": it["metadata"]["name"]}} for it in workloads]


def podsecurity(level, pods):
    return run([TOOLS / "bin" / "podsecurity", level], json.dumps(pods))


def kube_score(text):
    """What is found: the check, and the object's name."""
    flags = ["--all-default-optional", "--ignore-container-cpu-limit", "--kubernetes-version", "v1.32"]
    done = run([TOOLS / "bin" / "kube-score", "score", *flags, "--output-format", "json", "-"], text)
    scores = json.loads(done.stdout) or []
    return {
        (check["check"]["id"], score["object_meta"]["name"])
        for score in scores
        for check in score["checks"]
        if check["grade"] < PERFECT and not check["skipped"]
    }


def run(command, text):
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
