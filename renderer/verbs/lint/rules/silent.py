"""Rules about manifests that the controller accepts and does not do what they say."""

from __future__ import annotations

from renderer.verbs.lint import analyses, ineffective, inherited, pod_labels, references, steps, traffic
from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS401",
        "An invalid quantity",
        "The Rollout CRD does not check `resources`: the controller accepts the Rollout and fails at every attempt to "
        "create its ReplicaSet.",
        "Write a number with a suffix of Kubernetes: 500m, 2, 128Mi.",
    ),
    Rule(
        "RS402",
        "A maxSurge or maxUnavailable that is not a number",
        "The controller reads any other text as 0, and 150% unavailable as all pods.",
        "Write a number of pods, or a percentage up to 100%.",
    ),
    Rule(
        "RS403",
        "A setCanaryScale without exactly one value",
        "The controller uses the first field that it knows and ignores the others; without any it does nothing.",
        "Give exactly one of weight, replicas and matchTrafficWeight.",
    ),
    Rule(
        "RS404",
        "A replicaProgressThreshold without effect",
        "The controller compares nothing with a type other than Percent and Pods, a negative value, or one above 100 "
        "percent.",
        "Write `type: Percent` with a value from 0 to 100, or `type: Pods`.",
    ),
    Rule(
        "RS405",
        "An image that is no reference",
        "The API server takes any text. The kubelet refuses it with InvalidImageName, and the release waits for ever.",
        "Write a name in lower case, with a registry before it and a tag or digest after it where needed.",
        check=inherited.images_without_reference,
    ),
    Rule(
        "RS406",
        "A matchLabelKeys without its label",
        "Kubernetes ignores such a key, so that an anti-affinity or a spread among some pods becomes one among all.",
        "Write a label of the pod template, or rollouts-pod-template-hash for the pods of a version.",
        severity="warning",
        check=inherited.label_keys_without_label,
    ),
    Rule(
        "RS410",
        "A setting without effect",
        "The chosen strategy or router does not read it.",
        "Remove it, or choose a strategy or router that reads it.",
        severity="note",
        check=ineffective.ignored_settings,
    ),
    Rule(
        "RS411",
        "A route that one of the routers ignores",
        "The controller accepts header or mirror routes where one of several routers has them; the others ignore them.",
        "Use routers that all have the step, or allow `ignored-routes` in rollstep.yaml.",
    ),
    Rule(
        "RS412",
        "A maxTrafficWeight that one of the routers does not have",
        "The controller accepts it where one of several routers is nginx or a plugin, and gives the others the same "
        "number: a weight of 200 out of 1000 is 200% there, and -100% for the stable version.",
        "Write weights out of 100, or use one router.",
    ),
    Rule(
        "RS420",
        "A weight of less than one pod",
        "Without a router, the number of pods divides the requests: 20% of 2 pods is a third or half of the requests, "
        "not a fifth. Found are weights of less than one pod that the nearest number of pods misses by five percentage "
        "points or more. Rollouts without replicas, or with an autoscaler, are not checked.",
        "Run more pods, choose weights of whole pods, or use a router.",
        severity="warning",
        check=steps.weights_below_one_pod,
    ),
    Rule(
        "RS421",
        "A weight that does not grow",
        "A step with a lower weight returns traffic to the old version; a step with the same weight does nothing.",
        "Raise the weight from step to step.",
        severity="warning",
        check=steps.weights_that_do_not_grow,
    ),
    Rule(
        "RS422",
        "A pause of no length",
        "The controller counts whole seconds: pauses of 0, 0s and 500ms end at once.",
        "Write at least 1s, or `pause: {}`.",
        severity="warning",
        check=steps.pauses_without_length,
    ),
    Rule(
        "RS423",
        "A last step that waits for a person",
        "The canary has all traffic, but until somebody promotes it the release is incomplete, both versions run, and "
        "an abort returns to the old one.",
        "Give the pause a duration, or remove it.",
        severity="note",
        check=steps.pauses_at_the_end,
    ),
    Rule(
        "RS424",
        "A pause without an end",
        "In practice only a person ends a pause of more than 30 days. A sync tool that applies `spec.paused: true` "
        "pauses the release again whenever somebody resumes it; in an app of rollstep, `rollstep resume` edits the "
        "manifest.",
        "Write `pause: {}` or a shorter duration; remove `spec.paused` from the manifest.",
        severity="warning",
        check=steps.pauses_without_end,
    ),
    Rule(
        "RS425",
        "Services of a canary without a router",
        "stableService and canaryService select the pods of one version each. Without trafficRouting nothing divides "
        "requests between them: users of the stable Service share fewer and fewer pods, and none reaches the canary. "
        "Found are Rollouts with weights whose Services are the backend of an Ingress or a route, or the only ones "
        "that select the pods.",
        "Use a router, or let users reach a Service that selects the pods of both versions.",
        severity="warning",
        check=traffic.services_without_router,
    ),
    Rule(
        "RS426",
        "An experiment that gets requests without a weight",
        "Without a router, the Service of the Rollout's pods selects those of an experiment as well: they get their "
        "share of the requests, though the step shifts no weight.",
        "Give the experiment's template a label with which the Service does not select its pods, or use a router.",
        severity="warning",
        check=traffic.experiments_without_router,
    ),
    Rule(
        "RS430",
        "An Ingress whose class is not the router's",
        "The canary's Ingress has the class of the stable one. If that is not a class of the chosen router, nothing "
        "reads the weights. A class belongs to nginx or alb if its name, or the controller of an IngressClass in the "
        "manifests, contains that word.",
        "Set the class of the router, or add its IngressClass to the manifests.",
        severity="warning",
        check=references.ingress_classes_of_other_routers,
    ),
    Rule(
        "RS431",
        "A path of an ALB Ingress without use-annotation",
        "The load balancer reads the weights from the action of an annotation. A path with another port sends its "
        "requests to the stable Service, whatever the weight is.",
        "Write `port: {name: use-annotation}`.",
        check=traffic.paths_without_annotation,
    ),
    Rule(
        "RS432",
        "A VirtualService whose name has a dot",
        "The controller reads `web.example` as the VirtualService `web` in the namespace `example`, and stops where "
        "there is none. rollstep then takes the one that has the name as it is.",
        "Rename the VirtualService, or correct its namespace.",
        severity="warning",
        check=traffic.names_with_dots,
    ),
    Rule(
        "RS440",
        "An object of two apps",
        "Two apps of an environment that have the same object undo each other's changes at each sync.",
        "Leave the object to one of them.",
        check=references.objects_of_two_apps,
    ),
    Rule(
        "RS441",
        "A Service of two Rollouts",
        "Each Rollout points the Service's selector at its own pods; the controller refuses the second Rollout once "
        "the first manages the Service.",
        "Give each Rollout its own Services.",
        check=references.services_of_two_rollouts,
    ),
    Rule(
        "RS442",
        "A canary Service that another Ingress uses",
        "Its requests reach the canary whatever the weight is.",
        "Use another Service; for a preview, ignore the rule there with the reason.",
        severity="warning",
        check=references.canary_services_in_use,
    ),
    Rule(
        "RS443",
        "Rendered files of an app without manifests",
        "A sync tool goes on applying them, and nobody can release the app any more. Its manifests were deleted, or "
        "its folder was renamed without them.",
        "Restore the manifests, move the folder as a whole, or take the app away with `rollstep remove`.",
    ),
    Rule(
        "RS444",
        "An object that the router of another app makes",
        "Two apps of an environment may make the same object: the Rollout `web` with the Ingress `api-main` and the "
        "Rollout `web-api` with `main` have canary Ingresses of the same name. The one would replace the other.",
        "Rename a Rollout, or the object after which the router's is named.",
        check=references.made_objects_of_two_apps,
    ),
    Rule(
        "RS445",
        "An entry of the quarantine that guards nothing",
        "An entry of `quarantine.yaml` for an app or an environment that does not exist, for a repository whose images "
        "the app does not have, or beside an entry that guards as much, keeps no image from being released. A damaged "
        "file stops every verb.",
        "Correct the entry, or lift it with `rollstep quarantine lift`.",
        severity="warning",
    ),
    Rule(
        "RS450",
        "An order that is not safe",
        "With `order: step` a commit adds pods and sends them traffic at once, so requests can reach a version before "
        "its pods are available. It is the only order for an autoscaler that owns the pods.",
        "Take it out for the default, or ignore the rule there with the reason.",
        severity="warning",
    ),
    Rule(
        "RS451",
        "An annotation of a sync tool that ReplicaSets inherit",
        "The Rollout's annotations go to its ReplicaSets. A wave takes them out of the order of the release, a hook or "
        "`Prune=false` keeps old ones for ever, and with `ssa: IfNotPresent` they are never scaled. Checked only in "
        "apps of rollstep, with every `order`.",
        "Take the annotation out of the Rollout.",
        severity="warning",
        check=inherited.sync_annotations,
    ),
    Rule(
        "RS452",
        "A metric that cannot be measured from here",
        "rollstep measures the analyses of an app from where it runs. An address within the cluster that is not "
        "mapped, a missing token or a program that may not run would stop the release at its analysis. Checked only "
        "in apps of rollstep, and not with `analysis: manual`.",
        "Map the address in `analysis.addresses`, name the Secret's source in `analysis.secrets`, or set `analysis: "
        "manual`.",
        severity="warning",
        check=analyses.metrics_out_of_reach,
    ),
    Rule(
        "RS460",
        "Metadata of a role that a container reads",
        "`canaryMetadata`, `stableMetadata` and the like change the pod template of a ReplicaSet. The controller also "
        "changes its running pods, which a commit cannot: the downward API goes on telling a promoted pod that it is a "
        "canary. Checked only in apps of rollstep.",
        "Let the program ask for its role elsewhere.",
        severity="warning",
        check=pod_labels.role_metadata_in_pods,
    ),
    Rule(
        "RS461",
        "Metadata of a role that running pods do not get",
        "`canaryMetadata`, `stableMetadata` and the like change the pod template of a ReplicaSet, and with it new "
        "pods. The controller also changes running pods. Checked only in apps of rollstep.",
        "Nothing, if no selector, dashboard or alert relies on it; else remove it.",
        severity="note",
        check=pod_labels.role_metadata,
    ),
    Rule(
        "RS462",
        "The pod-template-hash of a Deployment",
        "The pods of a Rollout have the label rollouts-pod-template-hash. Kubernetes ignores a key of `matchLabelKeys` "
        "that pods do not have, so that an anti-affinity or a spread for each version becomes one for all: a canary "
        "may find no node.",
        "Write rollouts-pod-template-hash.",
        severity="warning",
        check=pod_labels.hash_of_deployments,
    ),
    Rule(
        "RS463",
        "A metric of all versions",
        "Each ReplicaSet has an autoscaler of its own. A metric of the type External or Object does not belong to "
        "pods, so that in a release each autoscaler scales its version for all of the load, up to its share of the "
        "maximum. Checked only in apps of rollstep.",
        "Use metrics of pods (Resource, ContainerResource, Pods), or let rollstep set the replicas.",
        severity="warning",
        check=pod_labels.metrics_of_all_versions,
    ),
)
