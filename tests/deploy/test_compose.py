"""The laptop's compose file: what it mounts is there, and what it configures is taken."""

import json
import re
import shutil
import subprocess

import jsonschema
import yaml

import binary
from charts import CHARTS, ROOT, TOOLS
from test_files import RULES

HERE = ROOT / "deploy" / "compose"
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
PROMETHEUS = yaml.safe_load((HERE / "prometheus.yaml").read_text())


def test_it_is_as_the_compose_specification_says():
    jsonschema.validate(COMPOSE, json.loads((TOOLS / "schemas" / "compose-spec.json").read_text()))


def test_every_file_that_is_mounted_is_there():
    mounted = [it.split(":")[0] for service in SERVICES.values() for it in service.get("volumes", [])]
    missing = [it for it in mounted if it.startswith(".") and not (HERE / it).exists()]
    assert missing == []
    assert {it for it in mounted if not it.startswith(".")} == set(COMPOSE["volumes"])


def test_every_target_is_a_stage_of_the_dockerfile():
    stages = set(re.findall(r"(?m)^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text()))
    built = [service["build"] for service in SERVICES.values() if "build" in service]
    assert {it["target"] for it in built} <= stages
    assert all((HERE / it["context"]).resolve() == ROOT for it in built)


def test_the_sidecar_takes_its_settings():
    arguments = [it for it in SERVICES["sidecar"]["command"] if it != "run"]
    done = binary.sidecar("check-config", *arguments)
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(binary.sidecar("print-config", *arguments).stdout)
    assert shown["upstream"]["url"] == "ws://emulator:8080"
    assert "emulator" in SERVICES
    assert shown["admin"]["listen"].endswith(":9464")
    grace = int(SERVICES["sidecar"]["stop_grace_period"].removesuffix("s"))
    assert grace >= int(shown["drain"]["timeout"].removesuffix("s")) + 5


def test_prometheus_takes_its_configuration_and_the_rules(tmp_path):
    promtool = TOOLS / "prometheus" / "usr" / "bin" / "promtool"
    shutil.copy(HERE / "prometheus.yaml", tmp_path)
    shutil.copytree(ROOT / "alerts", tmp_path / "alerts")
    command = [promtool, "check", "config", tmp_path / "prometheus.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_knows_every_rule_file_and_the_jobs_of_the_chart():
    assert PROMETHEUS["rule_files"] == [f"alerts/{it.name}" for it in RULES]
    monitor = (CHARTS / "deepgram-sidecar" / "templates" / "podmonitor.yaml").read_text()
    jobs = re.findall(r"targetLabel: job, replacement: ([\w-]+)", monitor)
    assert [it["job_name"] for it in PROMETHEUS["scrape_configs"]] == jobs
