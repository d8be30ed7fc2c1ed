"""The schemas of what the charts install: Kubernetes' own, and the Prometheus Operator's."""

import functools

import jsonschema
import kubernetes_validate
import yaml

from charts import TOOLS

SCHEMAS = TOOLS / "schemas"
OPERATOR_GROUP = "monitoring.coreos.com"


def judge(thing, kube):
    """Fails where Kubernetes `kube` or the operator would refuse the object, or drop a member that it does not know."""
    if thing["apiVersion"].startswith(OPERATOR_GROUP):
        version = thing["apiVersion"].split("/")[1]
        jsonschema.Draft202012Validator(operator_schema(thing["kind"], version)).validate(thing)
    else:
        kubernetes_validate.validate(thing, kube, strict=True)


@functools.cache
def operator_schema(kind, version):
    for file in SCHEMAS.glob("monitoring.coreos.com_*.yaml"):
        spec = yaml.safe_load(file.read_text())["spec"]
        if spec["names"]["kind"] == kind:
            schema = next(it for it in spec["versions"] if it["name"] == version)["schema"]["openAPIV3Schema"]
            return closed({**schema, "properties": {**schema["properties"], "metadata": {}}})
    raise LookupError(f"the operator has no {kind}")


def closed(schema):
    """What a resource definition does not name the API server drops without a word; here it is an error."""
    if isinstance(schema, list):
        return [closed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    schema = {key: value if key in ("enum", "default") else closed(value) for key, value in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema
