"""A pod, run as a kubelet runs it: from the rendered manifest, without Kubernetes.

Each container has a root of its own that it cannot write to, its user, the pod's groups and no privileges; the pod has
one network. Volumes are made as the kubelet makes them: an emptyDir belongs to the fsGroup, and the files of a Secret
are links that are swapped in one step.
"""

import base64
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from charts import DEPLOY

CLONE_NEWNET = 0x40000000

# Far beyond anything that is awaited, so that only a hang and no slow machine runs into it. Where the manifest says how
# long Kubernetes waits, that holds.
PATIENCE = 120


def wait_until(condition, what, seconds=PATIENCE):
    """Polls a condition; what it returns is handed on."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.01)
    return found


class Network:
    """A network namespace with nothing but loopback, held by a process that waits."""

    def __init__(self):
        ready = "ip link set lo up && echo up && exec sleep infinity"
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", ready], stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"up\n"
        self.file = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY)
        # setns moves one thread, and this one stays there.
        self.inside = ThreadPoolExecutor(1, initializer=self.enter)

    def enter(self):
        if ctypes.CDLL(None, use_errno=True).setns(self.file, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def run(self, function, *arguments):
        """Calls a function from within the namespace."""
        return self.inside.submit(function, *arguments).result(timeout=PATIENCE)

    def command(self, *command):
        """A command line that runs there."""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *map(str, command)]

    def close(self):
        self.inside.shutdown()
        os.close(self.file)
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class Container:
    """One container of a pod."""

    def __init__(self, pod, spec, image):
        self.pod, self.spec, self.name = pod, spec, spec["name"]
        self.argv = [*(spec.get("command") or image["entrypoint"]), *spec.get("args", image["cmd"])]
        self.root, self.image_mounts, self.image_environment = image["root"], image["mounts"], image["env"]
        self.lines = []

    def start(self):
        self.started = time.monotonic()
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process = subprocess.Popen(self.command(self.argv), **output)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def command(self, argv):
        security = {**self.pod.spec["securityContext"], **self.spec["securityContext"]}
        user = security.get("runAsUser", 65532)
        described = {
            "root": str(self.root),
            "mounts": [*self.image_mounts, *map(self.mount, self.spec["volumeMounts"]), *self.pod.own_mounts()],
            "read_only_root": security.get("readOnlyRootFilesystem", False),
            "no_new_privileges": security.get("allowPrivilegeEscalation") is False,
            "uid": user,
            "gid": security.get("runAsGroup", user),
            "groups": [security["fsGroup"]] if "fsGroup" in security else [],
            "argv": argv,
            "env": {**self.image_environment, **self.environment()},
        }
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--"]
        return self.pod.network.command(*namespaces, sys.executable, DEPLOY / "container.py", json.dumps(described))

    def mount(self, mount):
        (self.root / mount["mountPath"].lstrip("/")).mkdir(parents=True, exist_ok=True)
        source = self.pod.volumes[mount["name"]]
        return {"source": str(source), "path": mount["mountPath"], "read_only": mount.get("readOnly", False)}

    def environment(self):
        """`env`, with fields and references filled in."""
        environment = {}
        for it in self.spec.get("env", []):
            value = self.pod.fields[it["valueFrom"]["fieldRef"]["fieldPath"]] if "valueFrom" in it else it["value"]
            environment[it["name"]] = re.sub(r"\$\((\w+)\)", lambda name: environment[name[1]], value)
        return environment

    def probe(self, kind):
        """Whether a probe succeeds now, as the kubelet asks it."""
        probe = self.spec[kind]
        port = probe["httpGet"]["port"]
        port = next((it["containerPort"] for it in self.spec["ports"] if it["name"] == port), port)
        return self.pod.network.run(http_ok, port, probe["httpGet"]["path"], probe.get("timeoutSeconds", 1))

    def wait_started(self):
        """Until the startup probe has succeeded; returns the seconds since the start."""
        probe = self.spec["startupProbe"]
        patience = probe["periodSeconds"] * probe["failureThreshold"]
        wait_until(self.is_started, lambda: f"{self.name} started: {self.lines}", patience)
        return time.monotonic() - self.started

    def is_started(self):
        assert self.process.poll() is None, f"{self.name} has ended: {self.lines}"
        return self.probe("startupProbe")

    def exec(self, *argv):
        """As `kubectl exec`: another process with the same root, mounts, user and network."""
        command = self.command(list(argv))
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)

    @property
    def pid(self):
        """Of the container's own process: the child of the one that made its namespaces."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(wait_until(children.read_text, "a child").split()[0])

    def status(self, field):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return re.search(rf"^{field}:\s*(.*)$", text, re.MULTILINE)[1].split()

    def options_of_mount(self, path):
        """How a path is mounted, or None."""
        lines = [line.split() for line in pathlib.Path(f"/proc/{self.pid}/mountinfo").read_text().splitlines()]
        return next((it[5].split(",") for it in reversed(lines) if it[4] == path), None)

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def wait_ended(self, seconds=PATIENCE):
        code = self.process.wait(timeout=seconds)
        self.reader.join()
        return code

    def told(self):
        """The lines of JSON so far."""
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def said_last(self, member):
        """What the application said last, which is to be this."""
        return self.told()[-1][member]

    def event(self, name):
        """The sidecar's last log line of an event."""
        return next((it for it in reversed(self.told()) if it.get("event") == name), None)

    def wait_event(self, name):
        return wait_until(lambda: self.event(name), lambda: f"{name} in {self.lines[-20:]}")


class Pod:
    """A pod of a rendered release."""

    def __init__(self, release, template, directory, images, secrets):
        self.release, self.spec, self.directory = release, template["spec"], directory
        self.network = Network()
        self.group = self.spec["securityContext"].get("fsGroup", 0)
        self.fields = {"metadata.name": "demo-0", "metadata.namespace": "speech", "spec.nodeName": "node-1"}
        self.secrets = secrets
        self.volumes = {it["name"]: self.make_volume(it) for it in self.spec["volumes"]}
        self.hosts = directory / "hosts"
        self.hosts.write_text("127.0.0.1 localhost demo-0\n")
        self.resolver = directory / "resolv.conf"
        self.resolver.write_text("nameserver 127.0.0.1\noptions ndots:1\n")
        containers = [*self.spec.get("initContainers", []), *self.spec["containers"]]
        self.containers = {it["name"]: Container(self, it, images[it["name"]]) for it in containers}

    def own_mounts(self):
        """What the kubelet mounts into every container."""
        files = {"/etc/hosts": self.hosts, "/etc/resolv.conf": self.resolver}
        return [{"source": str(source), "path": path, "read_only": True} for path, source in files.items()]

    def make_volume(self, volume):
        place = self.directory / volume["name"]
        place.mkdir()
        if "emptyDir" in volume:
            os.chown(place, 0, self.group)
            place.chmod(0o2777)
        elif "configMap" in volume:
            of = self.release.the("ConfigMap", volume["configMap"]["name"])
            data = {key: text.encode() for key, text in of.get("data", {}).items()}
            binary = {key: base64.b64decode(text) for key, text in of.get("binaryData", {}).items()}
            self.write(place, {**data, **binary}, 0o644)
        else:
            secret = volume["secret"]
            data = self.secrets[secret["secretName"]]
            data = {it["path"]: data[it["key"]].encode() for it in secret["items"]}
            self.write(place, data, secret["defaultMode"])
        return place

    def write(self, place, files, mode):
        """Writes the files of a volume anew and swaps them all in one step."""
        fresh = place / f"..{time.monotonic_ns()}"
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
            (fresh / name).chmod(mode)
            os.chown(fresh / name, 0, self.group)
            if not (place / name).is_symlink():
                (place / name).symlink_to(f"..data/{name}")
        (place / "..data_tmp").symlink_to(fresh.name)
        (place / "..data_tmp").rename(place / "..data")

    def close(self):
        for container in self.containers.values():
            if hasattr(container, "process"):
                container.process.kill()
                container.wait_ended()
        self.network.close()


def http_ok(port, path, timeout):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
        try:
            connection.request("GET", path)
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False


def image(root, entrypoint, cmd, env, mounts=()):
    """An image that is unpacked in `root`, with the places where the runtime mounts something."""
    root.chmod(0o755)
    for name in ("etc", "proc"):
        (root / name).mkdir(exist_ok=True)
    for name in ("etc/hosts", "etc/resolv.conf"):
        (root / name).touch()
    return {"root": root, "entrypoint": entrypoint, "cmd": cmd, "env": env, "mounts": list(mounts)}


def image_of_this_machine(root):
    """An image with this machine's own programs, for the application: it needs no more than Python."""
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(os.readlink(f"/{name}"))
    (root / "usr").mkdir()
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return image(root, [], [], env, [{"source": "/usr", "path": "/usr", "read_only": True}])
