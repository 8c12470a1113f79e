"""Rules about references between objects."""

from __future__ import annotations

from renderer.verbs.lint import references
from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS301",
        "A missing Service",
        "The controller stops with InvalidSpec where a Service of the Rollout does not exist in its namespace.",
        "Add the Service to the manifests, or correct the name or namespace.",
        needs_all_files=True,
    ),
    Rule(
        "RS302",
        "A missing Ingress",
        "The controller stops with InvalidSpec where the Ingress of the router does not exist.",
        "Add the Ingress to the manifests, or correct the name or namespace.",
        needs_all_files=True,
    ),
    Rule(
        "RS303",
        "A missing AnalysisTemplate",
        "The controller stops with InvalidSpec where a template of an analysis does not exist.",
        "Add the AnalysisTemplate, or write `clusterScope: true` for a ClusterAnalysisTemplate.",
        needs_all_files=True,
    ),
    Rule(
        "RS304",
        "A Service that selects other pods",
        "The controller refuses a Service whose selector has a label that the pod template lacks.",
        "Give the Service and the template the same labels.",
    ),
    Rule(
        "RS305",
        "A Service that another Rollout manages",
        "The annotation argo-rollouts.argoproj.io/managed-by-rollouts names the owner of a Service, and the controller "
        "refuses any other Rollout.",
        "Give each Rollout its own Services, or remove the annotation.",
    ),
    Rule(
        "RS306",
        "An Ingress without a rule for the stable Service",
        "The router copies the rules of the stable Service; without one there is no traffic to shift.",
        "Name the stable Service as the backend of a rule.",
    ),
    Rule(
        "RS307",
        "A missing workload",
        "A Rollout with workloadRef takes its pod template from the workload, and fails without it.",
        "Add the workload to the manifests, or correct its name, kind or apiVersion.",
        check=references.missing_workloads,
        needs_all_files=True,
    ),
    Rule(
        "RS308",
        "A missing object of a router",
        "The controller edits the VirtualService, Mapping, TraefikService or ApisixRoute that the Rollout names, and "
        "fails at every step without it.",
        "Add the object to the manifests, or correct its name.",
        check=references.missing_router_objects,
        needs_all_files=True,
    ),
    Rule(
        "RS309",
        "A missing route of the Gateway API",
        "The plugin writes weights into the HTTPRoute, GRPCRoute, TCPRoute or TLSRoute that the Rollout names, in the "
        "Rollout's namespace or the configured one.",
        "Add the route to the manifests, or correct its name or namespace.",
        needs_all_files=True,
    ),
    Rule(
        "RS310",
        "An app without exactly one Rollout",
        "rollstep releases one Rollout per app.",
        "Add a Rollout (`rollstep init` converts a Deployment), or split the app.",
        check=references.apps_without_one_rollout,
        needs_all_files=True,
    ),
    Rule(
        "RS311",
        "A duplicate object",
        "The later one overwrites the earlier one at each sync.",
        "Remove one of the two.",
        check=references.duplicates,
    ),
    Rule(
        "RS312",
        "A rule with the name of a managed route",
        "A release finds its header rules in a route of the Gateway API by name, and removes them at its end.",
        "Rename the rule, or the route of managedRoutes.",
    ),
    Rule(
        "RS313",
        "An autoscaler that does not scale the Rollout",
        "A HorizontalPodAutoscaler scales the Rollout that its scaleTargetRef names. A missing Rollout, and the "
        "Deployment of a workloadRef, have no pods of the release.",
        "Name the Rollout in scaleTargetRef.",
        needs_all_files=True,
    ),
    Rule(
        "RS314",
        "An autoscaler that needs the Rollout in the cluster",
        "KEDA and the VerticalPodAutoscaler look up the Rollout in the cluster. rollstep applies none there, so they "
        "scale nothing. Checked only in apps of rollstep.",
        "Use a HorizontalPodAutoscaler, which rollstep renders for each ReplicaSet, or remove it.",
    ),
    Rule(
        "RS315",
        "Two autoscalers or budgets for the same pods",
        "Two autoscalers undo each other's changes, and pods with two PodDisruptionBudgets cannot be evicted. Checked "
        "only in apps of rollstep.",
        "Merge the two.",
    ),
    Rule(
        "RS316",
        "A Deployment whose selector matches the Rollout's pods",
        "No Rollout in the cluster owns the ReplicaSets that rollstep renders, so a Deployment adopts those that its "
        "selector matches and scales them down. Checked only in apps of rollstep; the Deployment of a workloadRef is "
        "not rendered and does no harm.",
        "Add a label of their own to the Deployment's pods and its selector, or remove the Deployment.",
    ),
    Rule(
        "RS317",
        "A Secret in plain text",
        "Rendered manifests are committed, and base64 is not encryption: every reader of the repository has the Secret "
        "for ever. Checked only in apps of rollstep.",
        "Encrypt it with SOPS or as a SealedSecret, let an operator create it, or allow `plain-secrets` in "
        "rollstep.yaml.",
    ),
    Rule(
        "RS318",
        "A Service with the name of an experiment's Service",
        "An experiment creates the Service that its template names and deletes it at its end, so a Service of the user "
        "with that name would be replaced and then deleted. Checked only in apps of rollstep.",
        "Rename the experiment's Service.",
    ),
    Rule(
        "RS319",
        "A VirtualService that cannot carry the weights",
        "Routes with weights need the stable and the canary Service, or the two subsets, as destinations. Where there "
        "are several routes, the Rollout names those with weights.",
        "Add the destination, or name the routes in virtualService.routes, tlsRoutes or tcpRoutes.",
    ),
    Rule(
        "RS320",
        "A router's object that cannot carry the weights",
        "A Mapping of Ambassador must not have a weight; each route of an App Mesh VirtualRouter has two targets.",
        "Remove the weight, or give the route its two targets.",
    ),
    Rule(
        "RS321",
        "An analysis that cannot run",
        "Its templates need a value for each argument and metrics with distinct names. Unless it runs in the "
        "background it has to end: an interval needs a count. A condition that is no expression, or whose types never "
        "fit, makes every measurement an Error.",
        "Correct the Rollout's args or the template as the message says.",
    ),
    Rule(
        "RS322",
        "A port that one of the two Services lacks",
        "A router sends the canary's requests to the port of the stable Service, or to the one that its object names. "
        "A Service without that port answers nothing, so a share of the requests fails.",
        "Give both Services the port.",
    ),
    Rule(
        "RS330",
        "An object that a router would replace",
        "nginx and Ambassador make a canary Ingress or Mapping, SMI a TrafficSplit, APISIX an ApisixRoute for headers. "
        "The controller refuses to touch one that it does not control; without owners in git, the router's would "
        "replace it.",
        "Rename the object, or the one after which the router's is named.",
    ),
    Rule(
        "RS331",
        "A selector of a label that pods get with their role",
        "`canaryMetadata`, `stableMetadata` and the like change the pod template of a ReplicaSet. The controller also "
        "changes its running pods, which a commit cannot: after a promotion the pods still have the labels of a "
        "canary, and a selector of the stable ones finds none. Checked only in apps of rollstep.",
        "Select by other labels; the Services that the Rollout names follow the release by the pod-template-hash.",
    ),
    Rule(
        "RS332",
        "An ExternalName as a Service of the Rollout",
        "Such a Service is a name in the DNS and selects no pods. The controller adds a selector, which has no effect: "
        "traffic that is meant for a version goes elsewhere.",
        "Name a Service of the Rollout's pods.",
    ),
)
