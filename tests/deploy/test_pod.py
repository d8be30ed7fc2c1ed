"""The rendered pod, run: the real sidecar in the image's root, the example application, an emulated Deepgram."""

import dataclasses
import json
import re
import shutil
import subprocess

import pytest

import binary
from charts import ROOT, pod, release
from kubelet import Pod, http_ok, image, image_of_this_machine, wait_until
from names import Names

DOCKERFILE = (ROOT / "Dockerfile").read_text()
KEY = {"demo-deepgram-sidecar-key": {"api-key": "laptop"}, "deepgram-api-key": {"api-key": "not-a-key"}}


@pytest.fixture(scope="session")
def image_root(tmp_path_factory):
    """What the Dockerfile's last stage copies."""
    root = tmp_path_factory.mktemp("image")
    subprocess.run([ROOT / "deploy" / "image" / "assemble", binary.SIDECAR, root], check=True)
    return root


def sidecars_image(image_root, place):
    shutil.copytree(image_root, place, dirs_exist_ok=True)
    last_stage = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    entrypoint, cmd = (json.loads(re.search(rf"(?m)^{it} (\[.*\])$", last_stage)[1]) for it in ("ENTRYPOINT", "CMD"))
    env = dict(re.findall(r"(?m)^ENV (\w+)=(\S+)$", last_stage))
    return image(place, entrypoint, cmd, env)


@pytest.fixture
def pods(tmp_path, image_root):
    """Makes pods of releases, and ends them."""
    made = []

    def make(of):
        place = tmp_path / str(len(made))
        for name in ("volumes", "sidecar", "app"):
            (place / name).mkdir(parents=True)
        images = {
            "deepgram-sidecar": sidecars_image(image_root, place / "sidecar"),
            "app": image_of_this_machine(place / "app"),
        }
        made.append(Pod(of, pod(of.the("Deployment", "demo")), place / "volumes", images, KEY))
        return made[-1]

    yield make
    for it in made:
        it.close()


@pytest.fixture
def deepgram(request):
    """Starts the emulator as its rendered container says, in a pod's network, where its name leads to it."""

    def start(within):
        workload = within.release.the("Deployment", "deepgram-emulator")
        command = within.network.command(binary.EMULATOR, *pod(workload)["spec"]["containers"][0]["args"])
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        request.addfinalizer(process.wait)
        request.addfinalizer(process.kill)
        names = Names(within.network)
        request.addfinalizer(names.close)
        wait_until(lambda: within.network.run(http_ok, 8080, "/emulator/health", 1), "the emulator")
        return names

    return start


@pytest.fixture
def talking(pods, deepgram):
    """A pod whose application has heard something: the pod, its sidecar and its application."""

    def start(of):
        made = pods(of)
        names = deepgram(made)
        sidecar, app = made.containers["deepgram-sidecar"], made.containers["app"]
        sidecar.start()
        print(f"from exec to the startup probe's success: {sidecar.wait_started():.3f} s")
        assert (made.volumes["deepgram-sidecar-socket"] / "sidecar.sock").is_socket()
        app.start()
        wait_until(lambda: any('"heard"' in line for line in app.lines), lambda: app.lines + sidecar.lines)
        assert "deepgram-emulator" in names.asked
        return made, sidecar, app

    return start


def test_a_native_sidecar_is_there_first_serves_and_goes_last(talking):
    made, sidecar, app = talking(release("app-laptop"))
    assert sidecar.probe("readinessProbe")
    assert sidecar.probe("livenessProbe")
    shown = sidecar.exec("deepgram-sidecar", "sessions")
    assert shown.returncode == 0, shown.stderr
    assert "open" in shown.stdout

    app.terminate()
    assert app.wait_ended(made.spec["terminationGracePeriodSeconds"]) == 0
    last = app.said_last("finished")
    assert last["outcome"] == "finished"
    assert last["audio"]["bytes_dropped"] == 0
    assert sidecar.probe("readinessProbe"), "nobody has told the sidecar to go yet"

    sidecar.terminate()
    assert sidecar.wait_ended(made.spec["terminationGracePeriodSeconds"]) == 0
    assert sidecar.event("drain_end")["cut"] == 0
    assert not any(made.volumes["deepgram-sidecar-socket"].iterdir())


def test_a_native_sidecar_delivers_to_deepgram_what_a_killed_application_left(talking):
    made, sidecar, app = talking(release("app-laptop"))
    app.kill()
    assert app.wait_ended() != 0
    sidecar.terminate()
    assert sidecar.wait_ended(made.spec["terminationGracePeriodSeconds"]) == 0
    assert sidecar.event("session_end")["outcome"] == "aborted"
    assert sidecar.event("drain_end")["cut"] == 0


def test_a_classic_sidecar_that_is_told_at_the_same_time_drains_its_application(talking):
    made, sidecar, app = talking(classic())
    sidecar.terminate()
    wait_until(lambda: any('"draining"' in line for line in app.lines), lambda: app.lines)
    app.terminate()
    assert app.wait_ended(made.spec["terminationGracePeriodSeconds"]) == 0
    assert sidecar.wait_ended(made.spec["terminationGracePeriodSeconds"]) == 0
    assert app.said_last("finished")["outcome"] == "drained"
    assert sidecar.event("drain_end")["cut"] == 0


def test_both_have_only_what_they_need(talking):
    made, sidecar, app = talking(release("app-laptop"))
    for container, user in ((sidecar, "65532"), (app, "10001")):
        assert container.status("Uid") == container.status("Gid") == [user] * 4
        assert container.status("Groups") == ["65532"]
        assert container.status("CapEff") == container.status("CapPrm") == ["0000000000000000"]
        assert container.status("NoNewPrivs") == ["1"]
        assert container.options_of_mount("/")[0] == "ro"
    assert sidecar.options_of_mount("/run/deepgram-sidecar")[0] == "rw"
    assert app.options_of_mount("/run/deepgram-sidecar")[0] == "ro"
    assert "laptop" not in str(app.environment())
    assert app.options_of_mount("/var/run/secrets/deepgram") is None
    assert sidecar.exec("/bin/sh", "-c", "true").returncode != 0, "there is no shell to be had"


def test_a_key_that_is_replaced_is_taken_up(talking):
    made, sidecar, _ = talking(release("app-laptop"))
    made.write(made.volumes["deepgram-sidecar-key"], {"api-key": b"another"}, 0o440)
    sidecar.wait_event("key_replaced")


def test_a_pod_with_defaults_trusts_the_public_roots_and_waits_for_sessions(pods):
    sidecar = pods(release("app-defaults")).containers["deepgram-sidecar"]
    sidecar.start()
    sidecar.wait_started()
    sidecar.terminate()
    assert sidecar.wait_ended() == 0


def test_a_mistake_is_told_in_the_last_lines_and_by_the_code(pods):
    made = pods(release("app-defaults"))
    made.write(made.volumes["deepgram-sidecar-key"], {"api-key": b"two words"}, 0o440)
    sidecar = made.containers["deepgram-sidecar"]
    sidecar.start()
    assert sidecar.wait_ended() == 2
    assert "the API key contains spaces" in sidecar.lines[-1]


def classic():
    """The laptop's release as for an older cluster."""
    laptop = release("app-laptop")
    return dataclasses.replace(laptop, kube="1.27", values={"deepgram-sidecar": {"mode": "classic"}})
