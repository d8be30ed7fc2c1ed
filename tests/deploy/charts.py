"""The charts, rendered by the real Helm."""

import dataclasses
import functools
import os
import pathlib
import re
import subprocess

import yaml

DEPLOY = pathlib.Path(__file__).parent
ROOT = DEPLOY.parent.parent
TOOLS = ROOT / ".tools"
HELM = TOOLS / "bin" / "helm"
CHARTS = ROOT / "helm"


@dataclasses.dataclass(frozen=True)
class Release:
    """One way to install a chart."""

    name: str
    chart: str
    kube: str
    values: dict
    files: tuple = ()

    @functools.cached_property
    def text(self):
        """What Helm would send to the cluster."""
        files = [part for file in self.files for part in ("--values", CHARTS / self.chart / file)]
        return template(self.chart, self.values, "--kube-version", self.kube, *files)

    @property
    def objects(self):
        return objects(self.text)

    def the(self, kind, name=None):
        """The one object of a kind, and of a name where there are several."""
        found = [it for it in self.objects if it["kind"] == kind and name in (None, it["metadata"]["name"])]
        assert len(found) == 1, f"{self.name}: {len(found)} of {kind} {name or ''}"
        return found[0]


@functools.cache
def releases():
    listed = yaml.safe_load((DEPLOY / "releases.yaml").read_text())
    return [Release(**{**it, "files": tuple(it.get("files", ()))}) for it in listed]


def release(name):
    return next(it for it in releases() if it.name == name)


def template(chart, values, *arguments):
    done = try_template(chart, values, *arguments)
    assert done.returncode == 0, complaint(done)
    return done.stdout


def try_template(chart, values, *arguments):
    """Renders as release `demo` in namespace `speech`; the values come from standard input, as from a file."""
    command = ["template", "demo", CHARTS / chart, "--namespace", "speech", "--values", "-", *arguments]
    return helm(*command, input=yaml.safe_dump(values))


def helm(*arguments, **how):
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=120, env=environment(), **how)


def environment():
    """Helm's own directories stay within .tools, whoever runs the tests."""
    own = {f"HELM_{name}_HOME": str(TOOLS / "helm-home" / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    return {**os.environ, **own}


def complaint(done):
    """What Helm says, without its remarks about links."""
    return "\n".join(line for line in done.stderr.splitlines() if "found symbolic link" not in line)


def objects(text):
    return [it for it in yaml.safe_load_all(text) if it]


def documents(text):
    """The rendered documents as text, each with its first comment, which names its template."""
    return [it for it in re.split(r"^---\n", text, flags=re.MULTILINE) if it.strip()]


def pod(workload):
    return workload["spec"]["template"]


def sidecar(template_of_pod):
    """The sidecar's container, wherever the mode has put it."""
    spec = template_of_pod["spec"]
    return next(it for it in [*spec.get("initContainers", []), *spec["containers"]] if it["name"] == "deepgram-sidecar")
