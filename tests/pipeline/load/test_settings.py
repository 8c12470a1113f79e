from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from renderer.errors import RollstepError
from renderer.kubernetes import KUBERNETES_VERSION
from renderer.pipeline.load.settings import (
    AppSettings,
    CommitSettings,
    Person,
    Settings,
    SourceSettings,
    load_settings,
    parse_settings,
)
from renderer.pipeline.load.settings_schema import accepts, schema_text

FULL = """\
environmentsPath: deploy/envs
defaults:
  namespace: ${app}-${environment}
  output: out
  templates: layouts
  kubernetesVersion: "1.30"
  controllerVersion: "1.8"
  commit:
    author: {name: Release Bot, email: bot@example.com}
    signoff: true
  values: {image: {tag: "1", pull: Always}, replicas: 1}
  source:
    exec: [./print, "${folder}", "${namespace}"]
    timeoutSeconds: 5
apps:
  web:
    values: {image: {tag: "2"}}
environments:
  prod:
    commit: {committer: {name: Ops, email: ops@example.com}}
    values: {replicas: 4}
    apps:
      web:
        namespace: shop
        values: {image: {tag: "3"}}
        source: {kustomize: "${folder}"}
"""


def findings(text: str) -> list[str]:
    with pytest.raises(RollstepError) as error:
        parse_settings(text, Path())
    return [finding.text() for finding in error.value.findings]


def test_without_a_file_everything_has_a_default(tmp_path: Path):
    settings = load_settings(tmp_path)
    assert settings == Settings(tmp_path)
    assert settings.environments_path == "environments"
    assert settings.for_app("prod", "web") == AppSettings(environment="prod", app="web")


def test_an_empty_file_is_as_none(tmp_path: Path):
    (tmp_path / "rollstep.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert load_settings(tmp_path).for_app("prod", "web") == AppSettings(environment="prod", app="web")


def test_the_most_specific_setting_counts_and_values_are_merged():
    settings = parse_settings(FULL, Path("root"))
    assert settings.environments_path == "deploy/envs"
    assert settings.for_app("prod", "web") == AppSettings(
        environment="prod",
        app="web",
        namespace="shop",
        output="out",
        templates=Path("root/layouts"),
        kubernetes_version="1.30",
        controller_version="1.8",
        commit=CommitSettings(Person("Release Bot", "bot@example.com"), Person("Ops", "ops@example.com"), signoff=True),
        values={"image": {"tag": "3", "pull": "Always"}, "replicas": 4},
        source=SourceSettings(("kustomize", "build", "deploy/envs/prod/web")),
    )
    dev = settings.for_app("dev", "web")
    assert dev.values == {"image": {"tag": "2", "pull": "Always"}, "replicas": 1}
    assert dev.namespace == "web-dev"
    assert dev.source == SourceSettings(("./print", "deploy/envs/dev/web", "web-dev"), 5)
    assert settings.for_app("prod", "api").values == {"image": {"tag": "1", "pull": "Always"}, "replicas": 4}


def test_the_settings_of_one_app_do_not_leak_into_those_of_another():
    settings = parse_settings(FULL, Path())
    before = settings.for_app("dev", "api")
    settings.for_app("prod", "web")
    assert settings.for_app("dev", "api") == before


@pytest.mark.parametrize(
    ("source", "argv"),
    [
        ("{files: true}", None),
        ("{kustomize: overlays/prod}", ["kustomize", "build", "overlays/prod"]),
        ("{kustomize: base, command: [kubectl, kustomize]}", ["kubectl", "kustomize", "base"]),
        ("{helm: {chart: charts/web}}", ["helm", "template", "web", "charts/web", "--namespace", "shop"]),
        (
            '{helm: {chart: c, release: r, values: [a.yaml, "${environment}.yaml"]}}',
            ["helm", "template", "r", "c", "--namespace", "shop", "--values", "a.yaml", "--values", "prod.yaml"],
        ),
        ("{exec: [sh, -c, 'echo ${HOME} ${app}']}", ["sh", "-c", "echo ${HOME} web"]),
    ],
)
def test_commands_that_print_manifests(source: str, argv: list[str] | None):
    settings = parse_settings(f"defaults: {{namespace: shop, source: {source}}}", Path())
    assert settings.for_app("prod", "web").source.argv == (None if argv is None else tuple(argv))


def test_the_folder_of_templates_is_used_where_it_has_templates(tmp_path: Path):
    assert load_settings(tmp_path).for_app("prod", "web").templates is None
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "notes.txt").touch()
    assert load_settings(tmp_path).for_app("prod", "web").templates is None
    (tmp_path / "templates" / "service.yaml.j2").touch()
    assert load_settings(tmp_path).for_app("prod", "web").templates == tmp_path / "templates"


def test_all_errors_are_raised_at_once_with_positions():
    text = """\
environment: {}
environments:
  prod:
    kubernetesVersion: 1.30
    controllerVersion: 1.9
    outptu: x
    output: ../x
    source: {kustomize: {folder}, exec: []}
    apps:
      web:
      db: {values: {app: 1}, commit: {author: {name: A}}}
"""
    assert findings(text) == [
        "rollstep.yaml:1:1: environment: unknown key (did you mean environments?)",
        "rollstep.yaml:4:5: environments.prod.kubernetesVersion: expected text, found 1.3 (put it in quotes)",
        (
            'rollstep.yaml:5:5: environments.prod.controllerVersion: expected "1.10" or "1.9" or "1.8", found 1.9 '
            "(put it in quotes)"
        ),
        "rollstep.yaml:6:5: environments.prod.outptu: unknown key (did you mean output?)",
        (
            'rollstep.yaml:7:5: environments.prod.output: "../x" is not allowed here'
            " (write a path without . and .. that does not start with /)"
        ),
        (
            "rollstep.yaml:8:5: environments.prod.source: expected exactly one of files, kustomize, helm, exec,"
            " found kustomize and exec (Where an app's manifests come from: one of files, kustomize, helm and exec)"
        ),
        'rollstep.yaml:8:14: environments.prod.source.kustomize: expected text, found a mapping (write "${folder}")',
        (
            "rollstep.yaml:8:35: environments.prod.source.exec: expected at least one item, found none"
            " (A program and its arguments; its output is the manifests)"
        ),
        "rollstep.yaml:10:7: environments.prod.apps.web: expected a mapping, found null (leave it out, or write {})",
        (
            'rollstep.yaml:11:12: environments.prod.apps.db.values: "app" is a name that rollstep uses itself'
            " (choose another name)"
        ),
        "rollstep.yaml:11:39: environments.prod.apps.db.commit.author: email missing (Who writes the commits)",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected a mapping, found a list"),
        ("text", 'expected a mapping, found "text"'),
        ("defaults: {}\n---\ndefaults: {}", "a second document"),
        ("defaults: {output: .}", "is not allowed"),
        ("defaults: {output: a/../b}", "is not allowed"),
        ("defaults: {output: /a}", "is not allowed"),
        ("defaults: {output: a/}", "is not allowed"),
        ("defaults: {output: ''}", "is not allowed"),
        ("environments: {../prod: {}}", "is not allowed"),
        ("defaults: {namespace: Shop}", "is not allowed"),
        ("defaults: {source: {}}", "found none"),
        ("defaults: {source: null}", "expected a mapping, found null"),
        ("defaults: {source: files}", "expected a mapping, found"),
        ("defaults: {source: {files: false}}", "expected true, found false"),
        ("defaults: {source: {exec: [a], command: [b]}}", "command goes with kustomize or helm"),
        ("defaults: {source: {exec: [a], timeoutSeconds: 0}}", "expected more than 0, found 0"),
        ("defaults: {source: {exec: [a], timeoutSeconds: 1000000}}", "expected at most 86400"),
        ("defaults: {commit: {author: {name: 'A <', email: a@example.com}}}", "is not allowed"),
        ("defaults: {commit: {signoff: maybe}}", "expected true or false"),
        ("defaults: {}\ndefaults: {}", "twice"),
        ("defaults: {", "is not YAML"),
    ],
)
def test_what_is_refused(text: str, message: str):
    assert message in findings(text)[0]


@pytest.mark.parametrize("source", ["null", "7", "files", "[files]"])
def test_a_source_that_is_no_mapping_is_one_finding(source: str):
    assert len(findings(f"defaults: {{source: {source}}}")) == 1


def test_a_file_that_is_no_text_is_refused(tmp_path: Path):
    (tmp_path / "rollstep.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(RollstepError, match=r"rollstep\.yaml"):
        load_settings(tmp_path)


def test_the_schema_is_valid_and_documents_the_defaults():
    schema = json.loads(schema_text())
    Draft202012Validator.check_schema(schema)
    definitions = schema["$defs"]
    default = AppSettings()
    assert schema["properties"]["environmentsPath"]["default"] == Settings(Path()).environments_path
    assert definitions["output"]["default"] == default.output
    assert definitions["namespace"]["default"] == default.namespace
    assert definitions["kubernetesVersion"]["default"] == default.kubernetes_version
    assert definitions["controllerVersion"]["default"] == default.controller_version
    assert definitions["commit"]["properties"]["signoff"]["default"] == default.commit.signoff
    source = definitions["source"]
    assert source["properties"]["timeoutSeconds"]["default"] == default.source.timeout_seconds
    keys = [key for key in definitions["settings"]["properties"] if "default" in definitions[key]]
    assert {*definitions["settings"]["properties"]} - {*keys} == {"lag"}
    explicit = {key: definitions[key]["default"] for key in keys if key != "templates"}
    assert not list(Draft202012Validator(schema).iter_errors({"defaults": explicit}))
    settings = Settings(Path(), body={"defaults": explicit})
    assert settings.for_app("prod", "web") == Settings(Path()).for_app("prod", "web")


def test_an_environment_takes_every_setting_that_an_app_takes():
    definitions = json.loads(schema_text())["$defs"]
    environment = dict(definitions["environment"]["properties"])
    del environment["apps"]
    assert environment == definitions["settings"]["properties"]


def keys_of(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every key of a rollstep.yaml with its schema."""
    found: dict[str, dict[str, Any]] = {}

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target = schema["$defs"][node["$ref"].rpartition("/")[2]]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    def walk(node: dict[str, Any], path: str) -> None:
        for key, value in node.get("properties", {}).items():
            entry = resolved(value)
            name = f"{path}{key}"
            found[name] = entry
            if key not in ("defaults", "apps", "environments"):
                walk(entry, f"{name}.")

    walk(schema, "")
    walk(schema["$defs"]["settings"], "")
    found["environments.ENV.apps"] = resolved(schema["$defs"]["environment"]["properties"]["apps"])
    return found


def test_every_key_is_documented_with_its_default(project: Path):
    text = (project / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", text, re.MULTILINE))
    keys = keys_of(json.loads(schema_text()))
    expected = {}
    for name, entry in keys.items():
        assert entry["title"]
        default = f"`{json.dumps(entry['default'])}`" if "default" in entry else ""
        expected[name] = f"{default} | {entry['description']}"
    assert rows == expected


def test_the_examples_in_the_documentation_are_right(project: Path):
    text = (project / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        assert parse_settings(example, Path()).body


WORDS = ["web", "1.34", "1.9", "../x", "Shop", "", "a b", "${app}", "A <", "a@example.com", "app"]
LEAVES = st.none() | st.booleans() | st.integers(-1, 2) | st.floats(0, 2) | st.sampled_from(WORDS)


def values_for(schema: dict[str, Any], definitions: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Return values that mostly match ``schema``."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    right: st.SearchStrategy[Any] = LEAVES
    if "enum" in schema or "const" in schema:
        right = st.sampled_from(schema.get("enum", [schema.get("const")]))
    elif schema.get("type") == "object":
        keys = {key: values_for(part, definitions, depth + 1) for key, part in schema.get("properties", {}).items()}
        if isinstance(schema.get("additionalProperties"), dict) and depth < 4:
            others = values_for(schema["additionalProperties"], definitions, depth + 1)
            right = st.dictionaries(st.sampled_from([*WORDS, "prod"]), others, max_size=2)
        elif keys:
            some = st.lists(st.sampled_from(sorted(keys)), unique=True, max_size=3)
            right = some.flatmap(lambda names: st.fixed_dictionaries({name: keys[name] for name in names}))
        else:
            right = st.dictionaries(st.sampled_from(WORDS), LEAVES, max_size=2)
    elif schema.get("type") == "array":
        right = st.lists(st.sampled_from(WORDS), max_size=2)
    elif schema.get("type") == "string":
        right = st.sampled_from(WORDS)
    return st.integers(0, 9).flatmap(lambda choice: right if choice else LEAVES | st.just({}) | st.just([1]))


SCHEMA = json.loads(schema_text())
VALIDATOR = Draft202012Validator(SCHEMA)


@hypothesis.settings(max_examples=150)
@hypothesis.given(values_for(SCHEMA, SCHEMA["$defs"]))
def test_the_quick_check_and_jsonschema_agree(value: Any):
    assert accepts(SCHEMA, value, SCHEMA["$defs"]) == VALIDATOR.is_valid(value)


def test_a_rule_that_the_quick_check_does_not_know_is_for_jsonschema():
    assert not accepts({"type": "object", "minProperties": 0}, {}, {})


def test_settings_that_are_right_do_not_import_jsonschema():
    code = (
        "import sys, pathlib\n"
        "import renderer.pipeline.load.settings\n"
        f"renderer.pipeline.load.settings.parse_settings({FULL!r}, pathlib.Path())\n"
        "print('jsonschema' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert printed.stdout == "False\n"


def test_the_schema_command_prints_the_schema():
    command = [sys.executable, "-m", "renderer", "schema"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert json.loads(printed.stdout) == json.loads(schema_text())
    assert printed.stderr == ""


def test_reading_no_settings_imports_no_library():
    code = (
        "import sys, pathlib\n"
        "import renderer.pipeline.load.settings, renderer.pipeline.load.sources, renderer.pipeline.load.app\n"
        "renderer.pipeline.load.settings.load_settings(pathlib.Path('nowhere'))\n"
        "print(sorted({'jinja2', 'jsonschema', 'yaml', 'ruamel', 'git', 'click', 'subprocess'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert printed.stdout == "[]\n"


def test_the_schema_repeats_the_default_version_of_kubernetes() -> None:
    assert json.loads(schema_text())["$defs"]["kubernetesVersion"]["default"] == KUBERNETES_VERSION
    assert AppSettings().kubernetes_version == KUBERNETES_VERSION
