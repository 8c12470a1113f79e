"""Rules about what the controller takes silently, and should not (pure)."""

from __future__ import annotations

from renderer.verbs.lint import ineffective as settings
from renderer.verbs.lint import references as relations
from renderer.verbs.lint import steps
from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS401",
        "error",
        "A quantity that is none",
        "The Rollout's CRD does not look into `resources`: the controller takes the Rollout and fails at each attempt "
        "to make its ReplicaSet.",
        "Write a number with a suffix that Kubernetes knows: 500m, 2, 128Mi.",
    ),
    Rule(
        "RS402",
        "error",
        "maxSurge or maxUnavailable that is no number",
        "The controller takes what is neither a number nor a percentage for 0, and 150% unavailable for all pods.",
        "Write a number of pods, or a percentage up to 100%.",
    ),
    Rule(
        "RS403",
        "error",
        "setCanaryScale with two values or none",
        "The controller looks for the first that it knows and forgets the others; with none it does nothing.",
        "Give exactly one of weight, replicas and matchTrafficWeight.",
    ),
    Rule(
        "RS404",
        "error",
        "A replicaProgressThreshold without meaning",
        "A type other than Percent and Pods, a negative value or one above 100 percent is never compared with anything "
        "that it could mean.",
        "Write `type: Percent` with a value from 0 to 100, or `type: Pods`.",
    ),
    Rule(
        "RS410",
        "note",
        "A setting without effect",
        "The strategy or router that is chosen does not read it: who relies on it is let down.",
        "Take it out, or choose what it goes with.",
        settings.ignored_settings,
    ),
    Rule(
        "RS411",
        "error",
        "A route that one of the routers ignores",
        "The controller is content where one of several routers knows header or mirror routes; the others do nothing.",
        "Use the step with routers that all have it, or allow `ignored-routes` in rollstep.yaml.",
    ),
    Rule(
        "RS412",
        "error",
        "maxTrafficWeight beside a router that has none",
        "The controller is content where one of several routers is nginx or a plugin, and gives the others the same "
        "number: a weight of 200 out of 1000 is 200% there, and -100% for the stable version.",
        "Write weights out of 100, or release with one of the routers.",
    ),
    Rule(
        "RS420",
        "warning",
        "A weight that one pod cannot carry",
        "Without a router, requests are shared by the number of pods: 20% of 2 pods is a third of the requests or "
        "half of them, not a fifth. Found are weights of less than one pod that the nearest number of pods misses by "
        "five points or more. Replicas that an autoscaler sets, or that are not given, are not judged.",
        "Run more pods, choose weights that whole pods have, or use a router.",
        steps.uncarried_weights,
    ),
    Rule(
        "RS421",
        "warning",
        "Weights that do not grow",
        "A step that sets a lower weight gives traffic back to the version that is to be replaced; one that sets the "
        "same does nothing.",
        "Let weights grow from step to step.",
        steps.weights_that_do_not_grow,
    ),
    Rule(
        "RS422",
        "warning",
        "A pause without length",
        "The controller counts whole seconds: 0, 0s and 500ms are over as soon as they begin.",
        "Write at least 1s, or `pause: {}`.",
        steps.pauses_without_length,
    ),
    Rule(
        "RS423",
        "note",
        "A last step that waits for a person",
        "The canary has all traffic by then; until somebody promotes, the release is not done, both versions run, and "
        "the next abort goes back to the old one.",
        "Give the pause a duration, or take it out.",
        steps.pauses_at_the_end,
    ),
    Rule(
        "RS424",
        "warning",
        "A pause nobody can end",
        "A pause of more than 30 days ends by a person's hand alone, and a `spec.paused: true` in a manifest that a "
        "sync tool applies comes back whenever somebody resumes. In an app of rollstep, `rollstep resume` edits the "
        "manifest.",
        "Write `pause: {}`, or a shorter duration; take `spec.paused` out of the manifest.",
        steps.pauses_without_end,
    ),
    Rule(
        "RS430",
        "warning",
        "An Ingress whose class no router reads",
        "The canary's Ingress has the class of the stable one. Where that is not a class of the chosen router, weights "
        "are written and nobody reads them. A class counts as one of nginx or alb where its name, or the controller of "
        "an IngressClass among the manifests, has that word in it.",
        "Set the class of the router, or add its IngressClass to the manifests.",
        relations.classes_without_router,
    ),
    Rule(
        "RS440",
        "error",
        "An object of two apps",
        "Two apps of an environment that write the same object undo each other's changes at each sync.",
        "Leave the object to one of them.",
        relations.objects_of_two_apps,
    ),
    Rule(
        "RS441",
        "error",
        "A Service of two Rollouts",
        "Each Rollout points the Service's selector at its own pods; the controller refuses the second one as soon as "
        "the first has taken the Service.",
        "Give each Rollout Services of its own.",
        relations.services_of_two_rollouts,
    ),
    Rule(
        "RS442",
        "warning",
        "A canary Service that another Ingress uses",
        "Requests that come in there reach the canary whatever its weight is.",
        "Use a Service of its own; where it is meant for a preview, ignore the rule there and say so.",
        relations.canary_services_in_use,
    ),
)
