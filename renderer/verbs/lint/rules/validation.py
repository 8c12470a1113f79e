"""Rules about manifests that the controller or the API server refuses.

Sources: ``pkg/apis/rollouts/validation`` of Argo Rollouts v1.9.1, and ``pkg/apis/core/validation`` of Kubernetes v1.34.
"""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS201",
        "A name that no Rollout can have",
        "A name is a DNS name, and ReplicaSets add eleven characters to it.",
        "Use up to 242 lower case letters, digits, - and ., a letter or digit first and last.",
    ),
    Rule(
        "RS202",
        "An invalid label or annotation",
        "Keys and values have up to 63 letters, digits, -, _ and .; a key may have a domain and a slash before it.",
        "Correct the key or value; long text belongs into an annotation.",
    ),
    Rule(
        "RS203",
        "A selector that matches nothing or everything",
        "A Rollout finds its pods by matchLabels or valid matchExpressions.",
        "Name the labels of the pod template.",
    ),
    Rule(
        "RS204",
        "A selector that does not match the pod template",
        "The Rollout would never find the pods that it creates.",
        "Give the template every label of the selector.",
    ),
    Rule(
        "RS205",
        "A negative number",
        "Replicas, seconds and limits start at 0; a negative number is refused or misread.",
        "Write 0 or more.",
    ),
    Rule(
        "RS206",
        "A progressDeadlineSeconds that no pod can meet",
        "A pod becomes available after minReadySeconds, so the deadline has to be longer.",
        "Raise progressDeadlineSeconds (600 by default), or lower minReadySeconds.",
    ),
    Rule(
        "RS207",
        "Both a template and workloadRef",
        "The pod template comes from one of them.",
        "Remove one of the two.",
    ),
    Rule(
        "RS208",
        "A path that leads out of its volume",
        "File, mount and host paths have no `..`; paths within a volume are relative.",
        "Write the path without `..` and without a leading slash.",
    ),
    Rule(
        "RS209",
        "Invalid scheduling",
        "Affinities, tolerations, spread constraints and node selectors consist of labels, operators and weights.",
        "Correct the named field.",
    ),
    Rule(
        "RS210",
        "A missing field of a container",
        "A pod needs at least one container; a container needs a name and an image, a variable needs a name.",
        "Add the missing field.",
    ),
    Rule(
        "RS211",
        "A name that no container, volume or port can have",
        "Containers and volumes are DNS labels of up to 63 characters; ports have up to 15, one of them a letter.",
        "Use lower case letters, digits and -.",
    ),
    Rule(
        "RS212",
        "A duplicate name or path in a pod",
        "Names of containers, volumes and ports, and mount paths, are unique.",
        "Rename or remove one of them.",
    ),
    Rule(
        "RS213",
        "A pod setting that no ReplicaSet allows",
        "Pods of a ReplicaSet always restart and have no deadline.",
        "Remove restartPolicy or activeDeadlineSeconds.",
    ),
    Rule(
        "RS214",
        "An unknown imagePullPolicy or protocol",
        "imagePullPolicy is Always, IfNotPresent or Never; protocol is TCP, UDP or SCTP.",
        "Use one of these.",
    ),
    Rule(
        "RS215",
        "An invalid port",
        "A container's port is a number from 1 to 65535.",
        "Write such a number.",
    ),
    Rule(
        "RS216",
        "An impossible mount",
        "A volume mount names a volume of the pod and a path of its own.",
        "Add the volume, or correct the name or path.",
    ),
    Rule(
        "RS217",
        "A negative quantity",
        "Requests and limits start at 0.",
        "Write 0 or more.",
    ),
    Rule(
        "RS218",
        "A number out of range",
        "Thresholds and seconds of probes, user and group ids, file modes and lifetimes of tokens have bounds.",
        "Write a number within them.",
    ),
    Rule(
        "RS219",
        "Not exactly one of several fields",
        "A volume, the source of a variable, a probe and a hook have one kind each.",
        "Give exactly one known kind.",
    ),
    Rule(
        "RS220",
        "Not exactly one strategy",
        "A Rollout is a canary or blue-green.",
        "Give either canary or blueGreen.",
    ),
    Rule(
        "RS221",
        "A missing Service of the strategy",
        "Blue-green needs activeService, a router stableService and canaryService, ping-pong both of its own.",
        "Name the Service.",
    ),
    Rule(
        "RS222",
        "One Service for two roles",
        "Stable and canary, active and preview, ping and pong select different pods.",
        "Name two different Services.",
    ),
    Rule(
        "RS223",
        "Neither surge nor unavailability",
        "With maxSurge and maxUnavailable both 0, no pod could ever be replaced.",
        "Allow one of them.",
    ),
    Rule(
        "RS224",
        "More old versions than the history has",
        "scaleDownDelayRevisionLimit cannot exceed revisionHistoryLimit, which is 10 by default.",
        "Lower the one or raise the other.",
    ),
    Rule(
        "RS225",
        "A setting that needs trafficRouting, or excludes another",
        "scaleDownDelaySeconds and dynamicStableScale need a router and exclude each other.",
        "Remove one, or add trafficRouting.",
    ),
    Rule(
        "RS226",
        "An invalid antiAffinity",
        "It is either preferred, with a weight from 1 to 100, or required.",
        "Give exactly one of the two.",
    ),
    Rule(
        "RS227",
        "Ping-pong with a router that does not have it",
        "Ping-pong Services work with alb, which needs rootService for them, and with istio.",
        "Use stableService and canaryService, or one of these routers.",
    ),
    Rule(
        "RS228",
        "A maxTrafficWeight that the router does not have",
        "Only nginx and plugins count weights out of other totals than 100.",
        "Remove it.",
    ),
    Rule(
        "RS229",
        "Not exactly one form of Ingress",
        "nginx takes stableIngress or stableIngresses, alb ingress or ingresses.",
        "Give exactly one of the two.",
    ),
    Rule(
        "RS230",
        "A step without an action, or with actions that exclude each other",
        "A step does one of setWeight, pause, experiment, analysis and plugin. setCanaryScale, setHeaderRoute and "
        "setMirrorRoute may stand beside it.",
        "Split the step, or give it an action.",
    ),
    Rule(
        "RS231",
        "A weight out of range",
        "setWeight goes from 0 to 100, or to maxTrafficWeight.",
        "Write a weight within the range.",
    ),
    Rule(
        "RS232",
        "An invalid duration",
        "A pause lasts a number of seconds, or text such as 30s, 10m or 1h.",
        "Write such a duration, or `pause: {}` to wait for a person.",
    ),
    Rule(
        "RS233",
        "A setCanaryScale without trafficRouting",
        "Without a router the number of canary pods is the weight.",
        "Remove the step, or use a router.",
    ),
    Rule(
        "RS234",
        "A route step that the router does not have",
        "setHeaderRoute needs istio, alb, apisix or a plugin; setMirrorRoute needs istio.",
        "Remove the step, or use such a router.",
    ),
    Rule(
        "RS235",
        "A route that is not managed",
        "trafficRouting.managedRoutes lists the routes of steps and gives them their order.",
        "Add the route's name there.",
    ),
    Rule(
        "RS236",
        "A match without exactly one value",
        "A match is exact, regex or prefix; alb has exact only.",
        "Give exactly one of them.",
    ),
    Rule(
        "RS237",
        "An experiment's weight that the router does not have",
        "smi, alb, istio and plugins send a share of the traffic to an experiment; other routers cannot.",
        "Remove the weight, or use such a router.",
    ),
    Rule(
        "RS238",
        "An invalid address or domain",
        "Name servers and hostAliases are IP addresses, domains are DNS names, and a pod has up to 3 name servers.",
        "Correct the address or name.",
    ),
    Rule(
        "RS239",
        "A request above the limit",
        "A container never gets more than its limit; for huge pages and devices, request and limit are equal.",
        "Raise the limit or lower the request.",
    ),
    Rule(
        "RS240",
        "An argument from a field that it cannot have",
        "The fieldRef of an analysis argument takes metadata.name, namespace, uid, labels or annotations.",
        "Name one of them.",
    ),
    Rule(
        "RS241",
        "A label or annotation that belongs to the controller",
        "The controller finds ReplicaSets by rollouts-pod-template-hash, and sets and removes annotations of theirs. "
        "A Rollout's annotations go to its ReplicaSets, and so do the labels of canaryMetadata and the like: a release "
        "with one of these would never end.",
        "Remove it.",
    ),
    Rule(
        "RS242",
        "An experiment whose Service has an invalid name",
        "A template with a weight or a service gets a Service that is named after the Rollout, its hash, its revision, "
        "the step and the template. A Service's name has up to 63 lower case letters, digits and -, a letter first.",
        "Name the Service in service.name, or shorten the names.",
    ),
)
