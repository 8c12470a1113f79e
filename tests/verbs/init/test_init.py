from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.kubernetes.read_objects import SourceText
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump
from renderer.verbs.init import Choices, Scaffold, ScaffoldApp, scaffold

DATA = Path(__file__).parents[2] / "data" / "init"
SHOP = (DATA / "shop.yaml").read_text(encoding="utf-8")


ROLLOUT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}


def stream(text: str) -> list[SourceText]:
    return [SourceText("<stdin>", None, text)]


def files(**texts: str) -> list[SourceText]:
    """Return files of a folder; ``_`` in a name stands for the dot before ``yaml``."""
    return [
        SourceText(f"in/{name.replace('_', '.')}", Path(f"/in/{name.replace('_', '.')}"), text)
        for name, text in texts.items()
    ]


def made(text: str, *, strategy: str = "canary", steps: tuple[int, ...] = (20, 40, 60)) -> Scaffold:
    return scaffold(stream(text), Choices(strategy, steps))


def only(result: Scaffold) -> ScaffoldApp:
    (app,) = result.apps
    return app


def text_of(app: ScaffoldApp, name: str) -> str:
    (text,) = [file.text for file in app.files if file.name == name]
    return text


def body_of(app: ScaffoldApp, name: str) -> Any:
    (document,) = load_documents(text_of(app, name), name)
    return document.value


def names(app: ScaffoldApp) -> list[str]:
    return [file.name for file in app.files]


def notes(result: Scaffold) -> str:
    """Return all notes but the one that every Deployment gets."""
    return "\n".join(note.text() for note in result.notes if "move over" not in note.hint)


def objects(*bodies: Mapping[str, Any]) -> str:
    return "".join(f"---\n{dump(dict(body))}" for body in bodies)


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    api_version = "argoproj.io/v1alpha1" if kind == "Rollout" else "apps/v1"
    pod = {"containers": [{"name": "main", "image": f"registry.example.com/{name}:1"}]}
    spec = {
        "replicas": 10,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        **spec,
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def service(name: str, app: str, **spec: Any) -> dict[str, Any]:
    spec = {"selector": {"app": app}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ingress(name: str, *services: str, annotations: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    paths = [
        {"path": f"/{name}", "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}
        for name in services
    ]
    metadata: dict[str, Any] = {"name": name}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "spec": {**spec, "rules": [{"host": "www.example.com", "http": {"paths": paths}}]},
    }


def other(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


def strategy_of(result: Scaffold) -> Any:
    return only(result).items[0].manifest.body["spec"]["strategy"]


def test_a_deployment_behind_nginx_becomes_a_canary_that_nginx_routes() -> None:
    result = made(SHOP)
    app = only(result)
    assert app.name == "web"
    assert names(app) == [
        "configmap-web-settings.yaml",
        "ingress-web.yaml",
        "namespace-shop.yaml",
        "rollout-web.yaml",
        "service-web-canary.yaml",
        "service-web.yaml",
    ]
    assert strategy_of(result) == {
        "canary": {
            "stableService": "web",
            "canaryService": "web-canary",
            "trafficRouting": {"nginx": {"stableIngress": "web"}},
            "maxSurge": 2,
            "maxUnavailable": 0,
            "steps": [
                {"setWeight": 20},
                {"pause": {}},
                {"setWeight": 40},
                {"pause": {"duration": "10m"}},
                {"setWeight": 60},
                {"pause": {"duration": "10m"}},
            ],
        }
    }


def test_all_lines_of_a_deployment_that_can_stay_do() -> None:
    text = text_of(only(made(SHOP)), "rollout-web.yaml")
    before, after = SHOP.split("---\n")[1].splitlines(), text.splitlines()
    gone = [line for line in before if line not in after]
    assert gone == [
        "apiVersion: apps/v1",
        "kind: Deployment",
        "  annotations:",
        '    deployment.kubernetes.io/revision: "7"',
        "    type: RollingUpdate",
        "    rollingUpdate:",
    ]
    template = SHOP[SHOP.index("  template:") : SHOP.index("---\napiVersion: v1\nkind: Service")]
    assert text.endswith(template)
    assert "labels: {team: front}   # who to call" in text


def test_other_objects_keep_every_byte() -> None:
    app = only(made(SHOP))
    assert text_of(app, "namespace-shop.yaml") == SHOP.partition("---\n")[0]
    assert text_of(app, "configmap-web-settings.yaml") == SHOP[SHOP.index("apiVersion: v1\nkind: ConfigMap") :]


def test_the_second_service_has_no_address_of_its_own() -> None:
    app = only(made(SHOP))
    stable, canary = body_of(app, "service-web.yaml"), body_of(app, "service-web-canary.yaml")
    assert stable == next(doc.value for doc in load_documents(SHOP, "") if doc.value["kind"] == "Service")
    assert canary == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web-canary", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }
    assert "# what the Ingress names" in text_of(app, "service-web-canary.yaml")


def test_a_headless_service_has_a_headless_copy() -> None:
    text = objects(workload("Deployment", "web"), service("web", "web", clusterIP="None"))
    assert body_of(only(made(text, strategy="blueGreen")), "service-web-preview.yaml")["spec"]["clusterIP"] == "None"


def test_a_long_name_leaves_room_for_the_suffix() -> None:
    name = "a" * 60
    app = only(made(objects(workload("Deployment", "web"), service(name, "web")), strategy="blueGreen"))
    assert [item.manifest.name for item in app.items[1:]] == [name, "a" * 55 + "-preview"]


def test_a_second_service_that_is_there_is_taken() -> None:
    there = service("web-preview", "web", type="NodePort")
    app = only(made(objects(workload("Deployment", "web"), service("web", "web"), there), strategy="blueGreen"))
    assert [item.manifest.body for item in app.items[1:]] == [service("web", "web"), there]


def test_a_deployment_without_an_ingress_becomes_a_canary_by_numbers_of_pods() -> None:
    result = made(objects(workload("Deployment", "web"), service("web", "web")), steps=(50,))
    assert strategy_of(result) == {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}}
    assert names(only(result)) == ["rollout-web.yaml", "service-web.yaml"]
    assert notes(result) == ""


def test_a_share_that_the_pods_cannot_make_is_told() -> None:
    assert "20% of 4 replicas is less than 1 pod" in notes(made(objects(workload("Deployment", "w", replicas=4))))
    assert notes(made(objects(workload("Deployment", "w", replicas=5)))) == ""


def test_how_to_do_without_the_deployment_is_told() -> None:
    (note,) = made(objects(workload("Deployment", "web"))).notes
    assert "would adopt the new ReplicaSet" in note.message
    assert note.hint == "move over before the first sync, with the commands at the end"
    assert made(objects(workload("Rollout", "web"))).notes == ()


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"ingressClassName": "nginx"}, ""),
        ({"ingressClassName": "nginx-internal"}, ""),
        ({"annotations": {"kubernetes.io/ingress.class": "nginx"}}, ""),
        ({"annotations": {"nginx.ingress.kubernetes.io/ssl-redirect": "true"}}, ""),
        ({"ingressClassName": "traefik"}, "its class is traefik, not nginx"),
        ({"annotations": {"kubernetes.io/ingress.class": "alb"}}, "its class is alb, not nginx"),
        ({}, "it names no class"),
    ],
)
def test_only_an_ingress_of_nginx_is_given_weights(extra: dict[str, Any], reason: str) -> None:
    result = made(objects(workload("Deployment", "web"), service("web", "web"), ingress("web", "web", **extra)))
    assert ("trafficRouting" in strategy_of(result)["canary"]) == (not reason)
    assert reason in notes(result)
    assert ("service-web-canary.yaml" in names(only(result))) == (not reason)


@pytest.mark.parametrize(("controller", "is_nginx"), [("k8s.io/ingress-nginx", True), ("nginx.org/ingress", False)])
def test_an_ingress_class_among_the_manifests_says_whose_it_is(controller: str, is_nginx: bool) -> None:
    ingress_class = other("IngressClass", "nginx", spec={"controller": controller})
    front = ingress("web", "web", ingressClassName="nginx")
    result = made(objects(workload("Deployment", "web"), service("web", "web"), front, ingress_class))
    assert ("trafficRouting" in strategy_of(result)["canary"]) == is_nginx


def test_an_ingress_of_an_old_version_is_given_no_weights() -> None:
    old = {**ingress("web", "web", ingressClassName="nginx"), "apiVersion": "networking.k8s.io/v1beta1"}
    result = made(objects(workload("Deployment", "web"), service("web", "web"), old))
    assert "trafficRouting" not in strategy_of(result)["canary"]
    assert "needs networking.k8s.io/v1" in notes(result)


def test_several_ingresses_are_all_given_weights() -> None:
    ingresses = [ingress(name, "web", ingressClassName="nginx") for name in ("inside", "outside")]
    result = made(objects(workload("Deployment", "web"), service("web", "web"), *ingresses))
    routing = strategy_of(result)["canary"]["trafficRouting"]
    assert routing == {"nginx": {"stableIngresses": ["inside", "outside"]}}


def test_of_several_services_the_one_behind_the_ingress_is_released() -> None:
    front = ingress("web", "public", ingressClassName="nginx")
    result = made(objects(workload("Deployment", "web"), service("web", "web"), service("public", "web"), front))
    assert strategy_of(result)["canary"]["stableService"] == "public"
    assert "public becomes the stable one, not web" in notes(result)


def test_a_deployment_becomes_a_blue_green_release() -> None:
    result = made(SHOP, strategy="blueGreen")
    active = {"activeService": "web", "previewService": "web-preview", "autoPromotionEnabled": False}
    assert strategy_of(result) == {"blueGreen": active}
    assert "service-web-preview.yaml" in names(only(result))
    assert "maxSurge and maxUnavailable left out" in notes(result)


def test_a_blue_green_release_needs_a_service() -> None:
    with pytest.raises(RollstepError, match=r"<stdin>:2:1: no Service selects the pods of the Deployment web"):
        made(objects(workload("Deployment", "web"), service("web", "another")), strategy="blueGreen")


def test_what_a_rollout_lacks_is_left_out_and_told() -> None:
    result = made(objects(workload("Deployment", "web", strategy={"type": "Recreate"}, rollbackTo={"revision": 3})))
    assert "rollbackTo" not in only(result).items[0].manifest.body["spec"]
    assert "a Rollout has no spec.rollbackTo" in notes(result)
    assert "Recreate never runs two versions at once" in notes(result)


def test_an_autoscaler_scales_the_rollout() -> None:
    deployment = workload("Deployment", "web")
    del deployment["spec"]["replicas"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = other(
        "HorizontalPodAutoscaler", "web", spec={"scaleTargetRef": target, "minReplicas": 6, "maxReplicas": 9}
    )
    result = made(objects(deployment, scaler))
    rollout, kept = (item.manifest.body for item in only(result).items)
    assert "replicas" not in rollout["spec"]
    assert kept == {**scaler, "spec": {**scaler["spec"], "scaleTargetRef": {**target, **ROLLOUT}}}
    assert "is left out" not in notes(result)


def test_an_autoscaler_that_needs_the_rollout_itself_is_left_out() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = other("VerticalPodAutoscaler", "web", spec={"targetRef": target})
    result = made(objects(workload("Deployment", "web"), scaler))
    assert names(only(result)) == ["rollout-web.yaml"]
    assert "VerticalPodAutoscaler web is left out: the cluster has no Deployment to scale" in notes(result)


def test_an_autoscaler_of_something_else_passes_through() -> None:
    target = {"kind": "StatefulSet", "name": "web"}
    scaler = other("HorizontalPodAutoscaler", "web", spec={"scaleTargetRef": target})
    assert len(only(made(objects(workload("Deployment", "web"), scaler))).items) == 2


def test_hooks_of_helm_are_left_out() -> None:
    hook = other("Pod", "test")
    hook["metadata"]["annotations"] = {"helm.sh/hook": "test"}
    result = made(objects(workload("Deployment", "web"), hook))
    assert len(only(result).items) == 1
    assert "the Pod test is a Helm hook: left out" in notes(result)


def test_other_workloads_pass_through_with_a_note() -> None:
    result = made(objects(workload("Rollout", "web"), workload("StatefulSet", "db"), workload("Deployment", "cache")))
    assert [item.manifest.kind for item in only(result).items] == ["Rollout", "StatefulSet", "Deployment"]
    assert "the StatefulSet db goes with web unchanged" in notes(result)
    assert "the Deployment cache goes with web unchanged" in notes(result)


def test_what_a_cluster_added_is_left_out() -> None:
    deployment = workload("Deployment", "web")
    deployment["metadata"] |= {"uid": "8a", "resourceVersion": "12", "generation": 3, "managedFields": [{"a": 1}]}
    deployment["status"] = {"replicas": 3}
    exported = service("web", "web", clusterIP="10.0.0.7", clusterIPs=["10.0.0.7"])
    exported["metadata"]["uid"] = "9b"
    exported["status"] = {"loadBalancer": {}}
    result = made(objects({"apiVersion": "v1", "kind": "List", "items": [deployment, exported]}))
    rollout, kept = (item.manifest.body for item in only(result).items)
    assert rollout["metadata"] == {"name": "web"}
    assert "status" not in rollout
    assert kept == service("web", "web")
    assert "the fields of the API server: metadata.generation, metadata.managedFields" in notes(result)


@pytest.mark.parametrize("kind", ["Deployment", "Rollout"])
def test_what_kubectl_prints_of_a_new_object_is_left_out(kind: str) -> None:
    body = workload(kind, "web")
    body["metadata"]["creationTimestamp"] = body["spec"]["template"]["metadata"]["creationTimestamp"] = None
    body["status"] = {}
    result = made(objects(body))
    rollout = only(result).items[0].manifest.body
    assert rollout["metadata"] == {"name": "web"}
    assert rollout["spec"]["template"] == workload(kind, "web")["spec"]["template"]
    assert "status" not in rollout
    assert "metadata.creationTimestamp, status, spec.template.metadata.creationTimestamp" in notes(result)


def test_all_that_kubectl_create_prints_is_taken() -> None:
    app = only(made((DATA / "kubectl-create.yaml").read_text(encoding="utf-8")))
    assert names(app) == [
        "configmap-c.yaml",
        "cronjob-c.yaml",
        "ingress-web.yaml",
        "poddisruptionbudget-p.yaml",
        "rollout-web.yaml",
        "service-web-canary.yaml",
        "service-web.yaml",
    ]
    for file in app.files:
        assert "creationTimestamp" not in file.text
        assert "status:" not in file.text


def test_fields_in_templates_are_left_out_at_every_level() -> None:
    claim = {"metadata": {"name": "data", "uid": "1", "managedFields": []}, "spec": {}, "status": {"phase": "Pending"}}
    database = workload("StatefulSet", "db", volumeClaimTemplates=[{"apiVersion": "v1", "kind": "X", **claim}])
    kept = only(made(objects(workload("Rollout", "web"), database))).items[1].manifest.body
    (clean,) = kept["spec"]["volumeClaimTemplates"]
    assert clean == {"apiVersion": "v1", "kind": "X", "metadata": {"name": "data"}, "spec": {}}


def test_other_fields_named_metadata_stay() -> None:
    scaler = other("ScaledJob", "web", spec={"triggers": [{"type": "x", "metadata": {"generation": "2", "uid": "u"}}]})
    assert only(made(objects(workload("Rollout", "web"), scaler))).items[1].manifest.body == scaler


def test_an_encrypted_secret_keeps_its_bytes() -> None:
    template = {"metadata": {"name": "s", "creationTimestamp": None}}
    sealed = {**other("SealedSecret", "s", spec={"template": template}), "apiVersion": "bitnami.com/v1alpha1"}
    sealed["metadata"]["creationTimestamp"] = None
    app = only(made(objects(workload("Rollout", "web"), sealed)))
    assert body_of(app, "sealedsecret-s.yaml") == sealed


def test_what_a_controller_made_is_left_out() -> None:
    pod = workload("ReplicaSet", "web-5f6")
    pod["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web", "controller": True}]
    owned = other("ConfigMap", "web")
    owned["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web"}]
    result = made(objects(workload("Deployment", "web"), pod, owned))
    assert [item.manifest.kind for item in only(result).items] == ["Rollout", "ConfigMap"]
    assert "the ReplicaSet web-5f6 is made by the Deployment web: left out" in notes(result)


def test_an_address_that_a_user_wrote_stays() -> None:
    fixed = service("web", "web", clusterIP="10.0.0.7")
    assert only(made(objects(workload("Deployment", "web"), fixed))).items[1].manifest.body == fixed


def test_a_list_is_taken_apart_with_its_comments() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: ConfigMap # settings\n  metadata:\n    name: web\n"
        f"- {dump(workload('Rollout', 'web')).replace(chr(10), chr(10) + '  ').rstrip()}\n"
    )
    app = only(made(text))
    assert text_of(app, "configmap-web.yaml") == (
        "apiVersion: v1\nkind: ConfigMap # settings\nmetadata:\n  name: web\n"
    )
    assert body_of(app, "rollout-web.yaml") == workload("Rollout", "web")


def test_json_becomes_yaml() -> None:
    app = only(made(json.dumps(workload("Rollout", "web"))))
    assert text_of(app, "rollout-web.yaml") == dump(workload("Rollout", "web"))


def test_each_rollout_is_an_app_with_what_it_names_and_what_selects_its_pods() -> None:
    canary = {"canary": {"stableService": "front", "canaryService": "front-canary"}}
    result = made(
        objects(
            workload("Rollout", "web", strategy=canary),
            workload("Rollout", "api"),
            service("front", "web"),
            service("front-canary", "nobody"),
            service("back", "api"),
            ingress("front", "front"),
            other("PodDisruptionBudget", "back", spec={"selector": {"matchLabels": {"app": "api"}}}),
        )
    )
    assert {app.name: names(app) for app in result.apps} == {
        "api": ["poddisruptionbudget-back.yaml", "rollout-api.yaml", "service-back.yaml"],
        "web": ["ingress-front.yaml", "rollout-web.yaml", "service-front-canary.yaml", "service-front.yaml"],
    }
    assert notes(result) == ""


def test_other_objects_go_with_the_app_that_refers_to_them() -> None:
    web = workload("Deployment", "web")
    web["spec"]["template"]["spec"]["serviceAccountName"] = "robot"
    web["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "shared"}}]
    api = workload("Deployment", "api")
    api["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "shared"}}]
    binding = other("RoleBinding", "may-read", subjects=[{"kind": "ServiceAccount", "name": "robot"}])
    binding["roleRef"] = {"kind": "Role", "name": "reader"}
    result = made(
        objects(
            other("Role", "reader"),
            binding,
            other("ServiceAccount", "robot"),
            other("Secret", "shared"),
            other("ConfigMap", "of-nobody"),
            api,
            web,
        )
    )
    assert {app.name: names(app) for app in result.apps} == {
        "api": ["rollout-api.yaml", "secret-shared.yaml"],
        "web": ["role-reader.yaml", "rolebinding-may-read.yaml", "rollout-web.yaml", "serviceaccount-robot.yaml"],
    }
    assert "Secret shared is related to api and web: assigned to api" in notes(result)
    assert "the ConfigMap of-nobody is related to none of the apps: left out" in notes(result)


def test_namespaces_keep_apps_apart() -> None:
    web, stranger = workload("Deployment", "web"), service("web", "web")
    web["metadata"]["namespace"], stranger["metadata"]["namespace"] = "shop", "elsewhere"
    with pytest.raises(RollstepError, match="no Service selects the pods"):
        made(objects(web, stranger), strategy="blueGreen")


def test_a_service_of_two_rollouts_is_refused() -> None:
    strategy = {"blueGreen": {"activeService": "both"}}
    rollouts = [workload("Rollout", name, strategy=strategy) for name in ("api", "web")]
    with pytest.raises(RollstepError, match="Service both is named by the strategies of several Rollouts: api and web"):
        made(objects(*rollouts, service("both", "web")))


def test_a_workload_that_is_there_twice_is_refused() -> None:
    with pytest.raises(RollstepError, match="duplicate Deployment web, the other one is at <stdin>:2"):
        made(objects(workload("Deployment", "web"), workload("Deployment", "web")))


@pytest.mark.parametrize("text", ["", "# nothing\n", objects(service("web", "web"))])
def test_manifests_without_a_workload_are_refused(text: str) -> None:
    with pytest.raises(RollstepError, match="there is no Rollout"):
        made(text)


def test_all_that_is_no_object_is_told_at_once() -> None:
    with pytest.raises(RollstepError) as caught:
        scaffold(files(a_yaml="kind: Service\n", b_yaml="a: [\n"), Choices())
    assert {finding.file for finding in caught.value.findings} == {"in/a.yaml", "in/b.yaml"}


def test_a_file_of_one_app_is_taken_whole() -> None:
    rollout = f"# mine\n---\n{dump(workload('Rollout', 'web'))}---\n{dump(service('web', 'web'))}...\n# end"
    app = only(scaffold(files(web_yaml=rollout, more_yml=dump(other("ConfigMap", "web"))), Choices()))
    assert {file.name: file.text for file in app.files} == {
        "more.yml": dump(other("ConfigMap", "web")),
        "web.yaml": rollout,
    }


def test_a_file_of_several_apps_is_taken_apart() -> None:
    texts = files(all_yaml=objects(workload("Rollout", "web"), workload("Rollout", "api")))
    apps = scaffold(texts, Choices()).apps
    assert [names(app) for app in apps] == [["rollout-api.yaml"], ["rollout-web.yaml"]]


@pytest.mark.parametrize("name", ["status.yaml", "kustomization.yaml", ".web.yaml", "web.txt"])
def test_a_name_that_means_something_else_is_not_taken(name: str) -> None:
    source = SourceText(f"in/{name}", Path(f"/in/{name}"), dump(workload("Rollout", "web")))
    assert names(only(scaffold([source], Choices()))) == ["rollout-web.yaml"]


def test_names_of_files_are_different() -> None:
    first, second = other("Thing", "web"), {**other("Thing", "web"), "apiVersion": "example.com/v1"}
    app = only(made(objects(workload("Rollout", "web"), first, second)))
    assert names(app) == ["rollout-web.yaml", "thing-web-2.yaml", "thing-web.yaml"]


def test_the_name_of_an_app() -> None:
    assert only(scaffold(stream(SHOP), Choices(), "front")).name == "front"
    two = objects(workload("Rollout", "web"), workload("Rollout", "api"))
    with pytest.raises(RollstepError, match="there are 2 apps among the manifests: api, web"):
        scaffold(stream(two), Choices(), "front")
    with pytest.raises(RollstepError, match=r"'\.\./web' cannot be the name of a folder"):
        made(objects(workload("Rollout", "../web")))


def test_the_workload_that_a_rollout_refers_to_goes_with_it() -> None:
    rollout = workload("Rollout", "web")
    del rollout["spec"]["template"], rollout["spec"]["selector"]
    rollout["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}
    result = made(objects(workload("Deployment", "app"), rollout, service("app", "app")))
    assert names(only(result)) == ["deployment-app.yaml", "rollout-web.yaml", "service-app.yaml"]
    assert notes(result) == ""


@pytest.mark.parametrize("name", ["helm-create.yaml", "helm-create-ingress.yaml"])
def test_a_chart_that_helm_makes(name: str) -> None:
    text = (DATA / name).read_text(encoding="utf-8")
    result = made(text)
    app = only(result)
    before = next(doc.value for doc in load_documents(text, "") if doc.value["kind"] == "Deployment")
    after = app.items[0].manifest.body
    assert app.name == "shop-web"
    assert after["metadata"] == before["metadata"]
    assert after["spec"]["template"] == before["spec"]["template"]
    assert ("trafficRouting" in after["spec"]["strategy"]["canary"]) == ("ingress" in name)
    assert ("service-shop-web-canary.yaml" in names(app)) == ("ingress" in name)
    assert "Helm hook" in notes(result)


def test_the_same_manifests_make_the_same_files() -> None:
    assert made(SHOP).apps == made(SHOP).apps


def test_the_hash_label_of_a_deployment_becomes_that_of_a_rollout() -> None:
    spread = (
        "{maxSkew: 1, topologyKey: zone, labelSelector: {matchLabels: {app: web}}, matchLabelKeys: [pod-template-hash]}"
    )
    pod = "    spec:\n"
    text = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
{pod}      topologySpreadConstraints:
        - {spread}
      containers: [{{name: web, image: "registry.example.com/shop/web:1.0.0"}}]
"""
    app = only(made(text))
    rollout = body_of(app, names(app)[0])
    (constraint,) = rollout["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert constraint["matchLabelKeys"] == ["rollouts-pod-template-hash"]
