"""Both validators validate custom resources by their definitions."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer.errors import RollstepError
from renderer.pipeline.validate import builtin, schemas
from renderer.pipeline.validate import custom_resources as custom
from renderer.pipeline.validate import kubeconform as binary
from renderer.pipeline.validate.manifests import Validation, validate

VERSION = "1.34"

VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web.example.com]
  http:
    - name: primary
      match: [{uri: {prefix: /}}]
      route:
        - {destination: {host: web, subset: stable}, weight: 90}
        - {destination: {host: web, subset: canary}, weight: 10}
"""
HTTP_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: public}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /}, headers: [{name: x-user, value: "42"}]}]
      backendRefs:
        - {name: web, port: 80, weight: 90}
        - {name: web-canary, port: 80, weight: 10}
"""
TRAEFIK_SERVICE = """\
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: web}
spec:
  weighted:
    services:
      - {name: web, port: 80, weight: 90}
      - {name: web-canary, port: http, weight: 10}
"""
TRAFFIC_SPLIT = """\
apiVersion: split.smi-spec.io/v1alpha1
kind: TrafficSplit
metadata: {name: web}
spec:
  service: web
  backends: [{service: web, weight: "90"}, {service: web-canary, weight: 10}]
"""
APISIX_ROUTE = """\
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: web}
spec:
  http:
    - name: web
      match:
        hosts: [web.example.com]
        paths: [/*]
        exprs: [{subject: {scope: Header, name: x-user}, op: Equal, value: "42"}]
      backends:
        - {serviceName: web, servicePort: 80, weight: 90}
        - {serviceName: web-canary, servicePort: 80, weight: 10}
"""
ROUTES = {
    "istio": VIRTUAL_SERVICE,
    "gateway-api": HTTP_ROUTE,
    "traefik": TRAEFIK_SERVICE,
    "smi": TRAFFIC_SPLIT,
    "apisix": APISIX_ROUTE,
}

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            spec:
              type: object
              required: [size, kept, filled]
              properties:
                size: {type: integer, minimum: 1, maximum: 9, exclusiveMaximum: true}
                filled: {type: string, default: x}
                port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
                kept: {type: object, x-kubernetes-preserve-unknown-fields: true}
                pod: {type: object, x-kubernetes-embedded-resource: true, properties: {spec: {type: object}}}
                labels: {type: object, additionalProperties: {type: string, format: byte, nullable: true}}
                format: {type: string, enum: [a, b], nullable: true}
                empty: {type: object}
"""
WIDGET = """\
apiVersion: example.com/v1
kind: Widget
metadata: {name: x}
spec: {size: 8, kept: {any: {thing: 1}}, port: http, labels: {a: b, c: null}, format: a}
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=["kubeconform", "built-in"])
def validator(request: pytest.FixtureRequest, kubeconform: str) -> str:
    return kubeconform if request.param == "kubeconform" else "built-in"


def judge(text: str, validator: str, cache: Path, *own: Path) -> Validation:
    return validate({"web.yaml": text}, VERSION, own=own, kubeconform=validator, cache=cache)


def told(validation: Validation) -> list[str]:
    return [f"{finding.line} {finding.field}: {finding.message}" for finding in validation.findings]


@pytest.mark.parametrize("router", ROUTES)
def test_objects_of_every_router_are_judged(router: str, validator: str, cache: Path):
    assert judge(ROUTES[router], validator, cache) == Validation((), (), validator)


@pytest.mark.parametrize(
    ("router", "was", "becomes", "expected"),
    [
        ("istio", "weight: 90", "wieght: 90", "10 spec.http[0].route[0].wieght: unknown field"),
        ("istio", "weight: 90", "weight: '90'", "10 spec.http[0].route[0].weight: is a string, expected integer"),
        (
            "istio",
            "host: web, subset: stable",
            "subset: stable",
            "10 spec.http[0].route[0].destination: host is missing",
        ),
        (
            "gateway-api",
            "weight: 90",
            "weight: -1",
            "9 spec.rules[0].backendRefs[0].weight: is too small (minimum is 0)",
        ),
        (
            "gateway-api",
            "type: PathPrefix",
            "type: Prefix",
            "7 spec.rules[0].matches[0].path.type: is 'Prefix', expected 'Exact' or 'PathPrefix' or",
        ),
        ("traefik", "weight: 90", "weight: [90]", "7 spec.weighted.services[0].weight: is a list, expected integer"),
        ("smi", "service: web\n", "service: 1\n", "5 spec.service: is a number, expected string"),
        ("apisix", "op: Equal", "op: Is", "10 spec.http[0].match.exprs[0].op: is 'Is', expected 'Equal' or"),
        ("apisix", "name: web}", "name: web, lables: {}}", "3 metadata.lables: unknown field"),
    ],
)
def test_what_a_router_would_drop_or_refuse_is_found(
    router: str, was: str, becomes: str, expected: str, validator: str, cache: Path
):
    assert was in ROUTES[router]
    (found,) = told(judge(ROUTES[router].replace(was, becomes, 1), validator, cache))
    assert found.startswith(expected)


def test_a_kind_without_schema_says_what_to_do(validator: str, cache: Path):
    text = "apiVersion: getambassador.io/v2\nkind: Mapping\nmetadata: {name: web}\nspec: {any: thing}\n"
    (note,) = judge(text, validator, cache).skipped
    assert note.hint == "add its CustomResourceDefinition to the setting schemas"


def test_the_routers_have_these_kinds():
    kinds = {(item.api_version, item.kind) for item in custom.packaged({})}
    assert {
        ("networking.istio.io/v1", "VirtualService"),
        ("networking.istio.io/v1alpha3", "DestinationRule"),
        ("gateway.networking.k8s.io/v1", "GRPCRoute"),
        ("gateway.networking.k8s.io/v1beta1", "HTTPRoute"),
        ("gateway.networking.k8s.io/v1alpha2", "TCPRoute"),
        ("gateway.networking.k8s.io/v1alpha3", "TLSRoute"),
        ("apisix.apache.org/v2", "ApisixRoute"),
        ("traefik.io/v1alpha1", "IngressRoute"),
        ("split.smi-spec.io/v1alpha2", "TrafficSplit"),
    } <= kinds
    assert len(kinds) > 60


def test_data_name_their_sources_and_the_readme_has_them(project: Path):
    folder = project / "renderer/pipeline/validate/data"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    program = "".join(path.read_text(encoding="utf-8") for path in (folder.parent / "generate").glob("*.go"))
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        module, version = data["source"].split()
        (row,) = [line for line in readme.splitlines() if line.startswith(f"| `{path.name}` ")]
        assert f"`{module}` {version}" in row
        assert row.split("|")[3].split(",")[0].strip() == data["licence"]
        assert module in program
        assert version in program


# Mutants: both validators, all routers


def mutants(value: Any) -> list[Any]:
    """Return ``value`` with each of its parts removed, replaced by each other type, or added to."""
    found: list[Any] = [None, "a", "1", 1, -1, 1.0, 1.5, True, [], ["a"], {}, {"a": 1}, "a b\u00e9", "5s"]
    if isinstance(value, dict):
        for key in value:
            found.append({name: part for name, part in value.items() if name != key})
            found += [{**value, key: part} for part in mutants(value[key])]
        found.append({**value, "bogus": 1})
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += [[*value[:index], part, *value[index + 1 :]] for part in mutants(item)]
    return found


def test_both_validators_come_to_the_same_verdicts(kubeconform: str, cache: Path, tmp_path: Path):
    (tmp_path / "widget.yaml").write_text(DEFINITION, encoding="utf-8")
    bodies = [yaml.safe_load(text) for text in (*ROUTES.values(), WIDGET)]
    cases = [{**body, key: mutant} for body in bodies for key in ("metadata", "spec") for mutant in mutants(body[key])]
    files = {f"{number}.yaml": json.dumps(case) for number, case in enumerate(cases)}
    folder = schemas.schema_folder(VERSION, cache, [tmp_path])
    expected = {verdict.file: verdict.status for verdict in binary.run_kubeconform(kubeconform, files, folder)}
    found = {document.verdict.file: document.verdict.status for document in builtin.check(files, folder)}
    assert len(files) > 1000
    assert set(expected.values()) == {"valid", "invalid"}
    assert [files[name] for name in files if found[name] != expected[name]] == []


# Patterns


def patterns(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(patterns, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
    return own.union(*(patterns(child) for child in schema.values()))


def test_every_pattern_is_one_for_python_too():
    found = set().union(*(patterns(item.schema) for item in custom.packaged({})))
    assert len(found) > 20
    assert [re.compile(pattern).pattern for pattern in found] == list(found)


@pytest.mark.parametrize("slow", custom.LINEAR)
def test_a_pattern_that_is_written_anew_matches_the_same(slow: str):
    fast = custom.LINEAR[slow]
    for length in range(7):
        for letters in product("1ms é\t" if "µs" in slow else "a! \té", repeat=length):
            text = "".join(letters)
            assert bool(re.search(slow, text)) == bool(re.search(fast, text)), text


def test_no_text_makes_the_built_in_validator_slow(cache: Path):
    # With the patterns as they are in the definitions, each of these takes longer than anybody lives.
    long_value = HTTP_ROUTE.replace('value: "42"', f"value: {'a' * 200}é")
    assert told(judge(long_value, "built-in", cache))[0].startswith("7 spec.rules[0].matches[0].headers[0].value:")
    text = (
        "apiVersion: traefik.io/v1alpha1\nkind: ServersTransport\nmetadata: {name: x}\nspec: {forwardingTimeouts: {%s}}"
    )
    assert told(judge(text % f"dialTimeout: {'1' * 200}x", "built-in", cache))


# The user's own


def test_a_definition_of_the_users_is_used(validator: str, cache: Path, tmp_path: Path):
    (tmp_path / "more").mkdir()
    # What a bundle of definitions has beside them is passed over.
    bundle = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: widgets}}\n---\n{DEFINITION}"
    (tmp_path / "more" / "widget.yml").write_text(bundle, encoding="utf-8")
    (tmp_path / "README.md").write_text("no schema", encoding="utf-8")
    assert judge(WIDGET, validator, cache).skipped
    assert judge(WIDGET, validator, cache, tmp_path) == Validation((), (), validator)
    assert judge(WIDGET, validator, cache, tmp_path / "more" / "widget.yml") == Validation((), (), validator)


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        ("size: 8", "size: 9", ["4 spec.size: is too large (exclusiveMaximum is 9)"]),
        ("size: 8", "size: 0", ["4 spec.size: is too small (minimum is 1)"]),
        ("size: 8, ", "", ["4 spec: size is missing"]),
        ("port: http", "port: 1.5", ["4 spec.port: is a number, expected integer or string"]),
        ("format: a", "format: null", []),
        ("format: a", "format: c", ["4 spec.format: is 'c', expected 'a' or 'b' or None"]),
        ("format: a", "empty: {a: 1}", ["4 spec.empty.a: unknown field"]),
        ("format: a", "pod: {apiVersion: v1, kind: Pod, metadata: {name: x}}", []),
        ("format: a", "pod: {kimd: Pod}", ["4 spec.pod.kimd: unknown field"]),
        ("c: null", "c: 1", ["4 spec.labels.c: is a number, expected string"]),
    ],
)
def test_a_definition_is_read_as_the_api_server_reads_it(
    was: str, becomes: str, expected: list[str], validator: str, cache: Path, tmp_path: Path
):
    (tmp_path / "widget.yaml").write_text(DEFINITION, encoding="utf-8")
    assert was in WIDGET
    assert told(judge(WIDGET.replace(was, becomes), validator, cache, tmp_path)) == expected


SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["spec"],
    "properties": {"spec": {"$ref": "#/definitions/spec"}},
    "definitions": {"spec": {"type": "object", "properties": {"a": {"type": "string", "format": "uri"}}}},
}


@pytest.mark.parametrize("way", ["by its path", "by its kind"])
def test_a_json_schema_of_the_users_is_used(way: str, validator: str, cache: Path, tmp_path: Path):
    named = {"x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Gadget"}]}
    (tmp_path / "example.com").mkdir()
    path = tmp_path / ("any.json" if way == "by its kind" else "example.com/gadget_v1.json")
    path.write_text(json.dumps(SCHEMA | (named if way == "by its kind" else {})), encoding="utf-8")
    text = "apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: x}\nspec: {a: b}\n"
    assert judge(text, validator, cache, tmp_path) == Validation((), (), validator)
    assert told(judge(text.replace("a: b", "a: 1"), validator, cache, tmp_path)) == [
        "4 spec.a: is a number, expected string"
    ]


def test_the_users_schema_goes_before_rollsteps_own(validator: str, cache: Path, tmp_path: Path):
    (tmp_path / "traefik.io").mkdir()
    (tmp_path / "traefik.io" / "traefikservice_v1alpha1.json").write_text("{}", encoding="utf-8")
    wrong = TRAEFIK_SERVICE.replace("weighted:", "wieghted:")
    assert judge(wrong, validator, cache).findings
    assert judge(wrong, validator, cache, tmp_path) == Validation((), (), validator)


def test_a_schema_that_has_changed_counts_at_once(validator: str, cache: Path, tmp_path: Path):
    path = tmp_path / "widget.yaml"
    path.write_text(DEFINITION, encoding="utf-8")
    assert judge(WIDGET, validator, cache, tmp_path).findings == ()
    path.write_text(DEFINITION.replace("maximum: 9", "maximum: 5"), encoding="utf-8")
    assert told(judge(WIDGET, validator, cache, tmp_path)) == ["4 spec.size: is too large (exclusiveMaximum is 5)"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.yaml",
            "kind: CustomResourceDefinition\nspec: {group: x}\n",
            "is a CustomResourceDefinition without group,",
        ),
        ("a.yaml", "a: [", "is not YAML"),
        ("a.json", "{}", "is a JSON schema of an unknown kind"),
        (
            "a.json",
            '{"x-kubernetes-group-version-kind": [{"group": "../x", "version": "v1", "kind": "A"}]}',
            "no kind of",
        ),
        ("g/a_v1.json", '{"$ref": "https://example.com/x.json"}', "refers to https://example.com/x.json"),
        ("a.yaml", b"\xff", "is not UTF-8"),
    ],
)
def test_what_is_no_schema_is_refused(name: str, text: str | bytes, message: str, cache: Path, tmp_path: Path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RollstepError, match=re.escape(message)) as error:
        judge(WIDGET, "built-in", cache, tmp_path)
    assert {finding.file for finding in error.value.findings} == {str(path)}


def test_all_that_is_wrong_with_schemas_is_told_at_once(cache: Path, tmp_path: Path):
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(RollstepError) as error:
        judge(WIDGET, "built-in", cache, tmp_path)
    assert len(error.value.findings) == 2


def test_a_folder_that_is_not_there_is_refused(cache: Path, tmp_path: Path):
    with pytest.raises(RollstepError, match="schemas cannot be read: No such file"):
        judge(WIDGET, "built-in", cache, tmp_path / "crds")
