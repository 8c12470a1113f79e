"""Rules about what a Rollout refers to (pure)."""

from __future__ import annotations

from renderer.verbs.lint import references as relations
from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS301",
        "error",
        "A Service that is not there",
        "The controller stops with InvalidSpec where a Service of the Rollout does not exist in its namespace.",
        "Add the Service to the manifests, or mend the name or namespace.",
    ),
    Rule(
        "RS302",
        "error",
        "An Ingress that is not there",
        "The controller stops with InvalidSpec where the Ingress that it routes through does not exist.",
        "Add the Ingress to the manifests, or mend the name or namespace.",
    ),
    Rule(
        "RS303",
        "error",
        "An AnalysisTemplate that is not there",
        "The controller stops with InvalidSpec where a template of an analysis does not exist.",
        "Add the AnalysisTemplate, or say `clusterScope: true` where it is a ClusterAnalysisTemplate.",
    ),
    Rule(
        "RS304",
        "error",
        "A Service that selects other pods",
        "The controller refuses a Service whose selector names a label that the pod template does not have.",
        "Give the Service and the template the same labels.",
    ),
    Rule(
        "RS305",
        "error",
        "A Service that another Rollout manages",
        "The annotation argo-rollouts.argoproj.io/managed-by-rollouts names its owner, and the controller refuses "
        "another one.",
        "Give each Rollout Services of its own, or take the annotation out.",
    ),
    Rule(
        "RS306",
        "error",
        "An Ingress without a rule for the stable Service",
        "The router copies the rules that lead to the stable Service; without one there is no traffic to shift.",
        "Name the stable Service as the backend of a rule.",
    ),
    Rule(
        "RS307",
        "error",
        "A workload that is not there",
        "A Rollout with workloadRef takes its pod template from the workload, and stops without it.",
        "Add the workload to the manifests, or mend its name, kind or apiVersion.",
        relations.missing_workloads,
    ),
    Rule(
        "RS308",
        "error",
        "A router's object that is not there",
        "The controller edits the VirtualService, Mapping, TraefikService or ApisixRoute that the Rollout names, and "
        "fails at every step without it.",
        "Add the object to the manifests, or mend its name.",
        relations.missing_router_objects,
    ),
    Rule(
        "RS309",
        "error",
        "A route of the Gateway API that is not there",
        "Weights are written into the HTTPRoute, GRPCRoute, TCPRoute or TLSRoute that the Rollout names, in its "
        "namespace or the one that it says.",
        "Add the route to the manifests, or mend its name or namespace.",
    ),
    Rule(
        "RS310",
        "error",
        "An app without a Rollout, or with several",
        "rollstep releases one Rollout an app.",
        "Add a Rollout (`rollstep init` makes one of a Deployment), or split the app.",
        relations.apps_without_one_rollout,
    ),
    Rule(
        "RS311",
        "error",
        "An object that is there twice",
        "The later one overwrites the earlier one at each sync.",
        "Take one of them away.",
        relations.duplicates,
    ),
    Rule(
        "RS312",
        "error",
        "A rule with the name of a managed route",
        "A release finds its rules for headers in a route of the Gateway API by their names, and takes them away when "
        "it is over.",
        "Give the rule another name, or the route of managedRoutes.",
    ),
    Rule(
        "RS313",
        "error",
        "An autoscaler of a Rollout that is not there",
        "A HorizontalPodAutoscaler scales the Rollout that its scaleTargetRef names; one of another name, and the "
        "Deployment that a workloadRef refers to, have no pods of the release.",
        "Name the Rollout in scaleTargetRef.",
    ),
    Rule(
        "RS314",
        "error",
        "An autoscaler that needs the Rollout itself",
        "KEDA and the VerticalPodAutoscaler look for the Rollout in the cluster, and rollstep applies none: its "
        "ReplicaSets would not be scaled. Judged in apps of rollstep.",
        "Use a HorizontalPodAutoscaler, which is rendered for each ReplicaSet, or take it out.",
    ),
    Rule(
        "RS315",
        "error",
        "Two autoscalers or budgets for the same pods",
        "Two autoscalers undo what the other does, and pods with two PodDisruptionBudgets cannot be evicted at all. "
        "Judged in apps of rollstep.",
        "Make one of them.",
    ),
    Rule(
        "RS316",
        "error",
        "A Deployment whose selector matches the Rollout's pods",
        "No Rollout in the cluster owns the ReplicaSets that rollstep renders, so a Deployment takes those that its "
        "selector matches for its own and scales them down. Judged in apps of rollstep; the Deployment of a "
        "workloadRef is not rendered and does no harm.",
        "Give the Deployment's pods a label of their own and name it in its selector, or take it out.",
    ),
    Rule(
        "RS317",
        "error",
        "A Secret in plain text",
        "What rollstep renders is committed, and base64 is no encryption: who can read the repository has the Secret, "
        "for ever. Judged in apps of rollstep.",
        "Encrypt it with SOPS or as a SealedSecret, let an operator make it, or allow `plain-secrets` in "
        "rollstep.yaml.",
    ),
    Rule(
        "RS318",
        "error",
        "A Service of an experiment that is there already",
        "The Service that an experiment's template names is made when the step begins and gone when it ends: one of "
        "the user's with that name would be replaced, and then removed. Judged in apps of rollstep.",
        "Give the experiment's Service another name.",
    ),
    Rule(
        "RS319",
        "error",
        "A VirtualService that cannot carry the weights",
        "The routes that get weights have the stable and the canary Service, or the two subsets, as destinations, and "
        "where there are several routes the Rollout names those.",
        "Add the destination, or name the routes in virtualService.routes, tlsRoutes or tcpRoutes.",
    ),
    Rule(
        "RS320",
        "error",
        "A router's object that cannot carry the weights",
        "A Mapping of Ambassador has no weight of its own; each route of an App Mesh VirtualRouter has two targets.",
        "Take the weight out, or give the route its two targets.",
    ),
    Rule(
        "RS321",
        "error",
        "An analysis that cannot be run",
        "Its templates need a value for each argument, metrics with names of their own, and, but for one in the "
        "background, an end: an interval goes with a count.",
        "Mend what the message names, in the Rollout's args or in the template.",
    ),
)
