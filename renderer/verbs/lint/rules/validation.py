"""Rules about what the controller and the API server refuse (pure).

``pkg/apis/rollouts/validation`` of Argo Rollouts v1.9.1, and ``pkg/apis/core/validation`` of Kubernetes v1.34.
"""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule

RULES = tuple(
    Rule(code, "error", title, why, what_to_do)
    for code, title, why, what_to_do in (
        (
            "RS201",
            "A name that no Rollout can have",
            "It has to be a DNS name, and its ReplicaSets add eleven characters to it.",
            "Use lower case letters, digits, - and ., a letter or digit first and last, up to 242 characters.",
        ),
        (
            "RS202",
            "A label or annotation that is none",
            "Keys and values have up to 63 letters, digits, -, _ and .; a key may have a domain and a slash before it.",
            "Mend the key or value; long text belongs into an annotation.",
        ),
        (
            "RS203",
            "A selector that selects nothing, or everything",
            "A Rollout needs matchLabels or right matchExpressions to know its pods.",
            "Name the labels of the pod template.",
        ),
        (
            "RS204",
            "A selector that does not match the pod template",
            "The Rollout would never see the pods that it makes.",
            "Give the template every label of the selector.",
        ),
        (
            "RS205",
            "A number below 0",
            "Replicas, seconds and limits count from 0; what is below is refused, or taken for something else.",
            "Write 0 or more.",
        ),
        (
            "RS206",
            "progressDeadlineSeconds that no pod can keep",
            "A pod counts as available after minReadySeconds, so the deadline has to be longer.",
            "Raise progressDeadlineSeconds, which is 600 by default, or lower minReadySeconds.",
        ),
        (
            "RS207",
            "Both a template and workloadRef",
            "The pod template comes from one of them.",
            "Take one of them out.",
        ),
        (
            "RS208",
            "A path that leads out of its volume",
            "Paths of files, of mounts within a volume and of host paths have no `..`; all but the last are relative.",
            "Write the path without `..` and without a slash at its beginning.",
        ),
        (
            "RS209",
            "A place for pods that is none",
            "Affinities, tolerations, spread constraints and node selectors are made of labels, operators and weights.",
            "Mend what the message names.",
        ),
        (
            "RS210",
            "What every container needs",
            "A pod has at least one container; each has a name and an image, each of its variables a name.",
            "Add what is missing.",
        ),
        (
            "RS211",
            "A name that no container, volume or port can have",
            "Containers and volumes are DNS labels of up to 63 characters, ports of up to 15 with a letter among them.",
            "Use lower case letters, digits and -.",
        ),
        (
            "RS212",
            "The same twice in a pod",
            "Containers, volumes, ports and mount paths each have a name of their own.",
            "Rename or remove one of them.",
        ),
        (
            "RS213",
            "What no ReplicaSet allows",
            "Pods of a ReplicaSet are restarted always and have no deadline.",
            "Take restartPolicy or activeDeadlineSeconds out.",
        ),
        (
            "RS214",
            "A word that Kubernetes does not know",
            "imagePullPolicy is Always, IfNotPresent or Never; protocol is TCP, UDP or SCTP.",
            "Use one of these.",
        ),
        (
            "RS215",
            "A port that is none",
            "A container's port is a number from 1 to 65535.",
            "Give the number.",
        ),
        (
            "RS216",
            "A mount that cannot be made",
            "A volume mount names a volume of the pod and a path that no other mount has.",
            "Add the volume, or mend the name or path.",
        ),
        (
            "RS217",
            "A quantity below 0",
            "Nothing can be requested or limited to less than nothing.",
            "Write 0 or more.",
        ),
        (
            "RS218",
            "A number out of range",
            "Thresholds and seconds of probes, users, groups, file modes and lifetimes of tokens have bounds.",
            "Write a number within them.",
        ),
        (
            "RS219",
            "Not exactly one of several",
            "A volume, a variable's source, a probe and a hook are one kind of thing each, and show what a pod has.",
            "Give exactly one, and one that there is.",
        ),
        (
            "RS220",
            "Not exactly one strategy",
            "A Rollout is a canary or blue-green.",
            "Give either canary or blueGreen.",
        ),
        (
            "RS221",
            "A Service that the strategy needs",
            "Blue-green needs activeService, a router stableService and canaryService, ping-pong both of its own.",
            "Name the Service.",
        ),
        (
            "RS222",
            "One Service for two things",
            "Stable and canary, active and preview, ping and pong select different pods.",
            "Name two different Services.",
        ),
        (
            "RS223",
            "Neither surge nor unavailability",
            "With maxSurge and maxUnavailable both 0 no pod could ever be replaced.",
            "Allow one of them.",
        ),
        (
            "RS224",
            "More old versions than history keeps",
            "scaleDownDelayRevisionLimit cannot be more than revisionHistoryLimit, which is 10 by default.",
            "Lower the one or raise the other.",
        ),
        (
            "RS225",
            "A setting that goes with trafficRouting, or not with another",
            "scaleDownDelaySeconds and dynamicStableScale need a router and exclude each other.",
            "Take one out, or add trafficRouting.",
        ),
        (
            "RS226",
            "An antiAffinity that is none",
            "It is either preferred, with a weight from 1 to 100, or required.",
            "Give exactly one of the two.",
        ),
        (
            "RS227",
            "ping-pong with a router that has none",
            "Ping-pong Services work with alb, which needs rootService for them, and with istio.",
            "Use stableService and canaryService, or one of these routers.",
        ),
        (
            "RS228",
            "maxTrafficWeight with a router that has none",
            "Only nginx and plugins count weights out of something else than 100.",
            "Take it out.",
        ),
        (
            "RS229",
            "Not exactly one form of Ingress",
            "nginx takes stableIngress or stableIngresses, alb ingress or ingresses.",
            "Give exactly one of the two.",
        ),
        (
            "RS230",
            "A step with two actions or none",
            "Each step does one thing.",
            "Make two steps of it, or write what it is to do.",
        ),
        (
            "RS231",
            "A weight out of range",
            "setWeight is from 0 to 100, or to maxTrafficWeight.",
            "Write a weight within the range.",
        ),
        (
            "RS232",
            "A duration that is none",
            "A pause lasts a number of seconds, or text such as 30s, 10m or 1h.",
            "Write such a duration, or `pause: {}` to wait for a person.",
        ),
        (
            "RS233",
            "setCanaryScale without trafficRouting",
            "Without a router the number of canary pods is the weight.",
            "Take the step out, or use a router.",
        ),
        (
            "RS234",
            "A route that the router does not have",
            "setHeaderRoute needs istio, alb, apisix or a plugin, setMirrorRoute needs istio.",
            "Take the step out, or use such a router.",
        ),
        (
            "RS235",
            "A route that is not managed",
            "Routes of steps are listed in trafficRouting.managedRoutes, which gives them their order.",
            "Add the route's name there.",
        ),
        (
            "RS236",
            "A match without exactly one value",
            "A match is exact, regex or prefix; alb has exact alone.",
            "Give exactly one of them.",
        ),
        (
            "RS237",
            "A weight of an experiment that no router gives",
            "smi, alb, istio and plugins send a share of the traffic to an experiment; the others cannot.",
            "Take the weight out, or use such a router.",
        ),
        (
            "RS238",
            "An address or domain that is none",
            "Name servers and hostAliases are IP addresses, domains DNS names, and a pod has up to 3 name servers.",
            "Mend the address or name.",
        ),
        (
            "RS239",
            "More requested than the limit",
            "A container never gets more than its limit; of huge pages and devices it requests just as much.",
            "Raise the limit or lower the request.",
        ),
        (
            "RS240",
            "An argument of what no Rollout's metadata have",
            "fieldRef of an analysis's argument shows metadata.name, namespace, uid, labels or annotations.",
            "Name one of them.",
        ),
    )
)
