"""Fleets of any size: the same apps as sources of rollstep, as a helm chart and as kustomize overlays."""

from __future__ import annotations

import subprocess
from pathlib import Path

IMAGE = "registry.example.com/shop/{name}:1.0.0"

TEMPLATE = """\
metadata:
  labels: {{app: {name}}}
spec:
  containers:
  - name: web
    image: registry.example.com/shop/{name}:1.0.0
    ports:
    - {{name: http, containerPort: 8080}}
    envFrom:
    - configMapRef: {{name: {name}}}
    resources:
      requests: {{cpu: 100m, memory: 128Mi}}
      limits: {{memory: 256Mi}}
    readinessProbe:
      httpGet: {{path: /ready, port: http}}
      periodSeconds: 5
"""

ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: {name}
spec:
  replicas: 4
  selector:
    matchLabels: {{app: {name}}}
  template:
{template}
  strategy:
    canary:
      stableService: {name}-stable
      canaryService: {name}-canary
      trafficRouting:
        nginx:
          stableIngress: {name}
      steps:
      - setWeight: 10
      - pause: {{duration: 5m}}
      - setWeight: 50
      - pause: {{}}
"""

REPLICA_SET = """\
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: {name}
spec:
  replicas: 4
  selector:
    matchLabels: {{app: {name}}}
  template:
{template}
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}-{role}
spec:
  selector: {{app: {name}}}
  ports:
  - {{name: http, port: 80, targetPort: http}}
"""

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}{suffix}
spec:
  ingressClassName: nginx
  rules:
  - host: {name}.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: {name}-{role}
            port: {{name: http}}
"""

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  LEVEL: info
  NAME: {name}
"""


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines()).rstrip("\n")


def _sources(name: str) -> dict[str, str]:
    template = _indented(TEMPLATE.format(name=name))
    services = "---\n".join(SERVICE.format(name=name, role=role) for role in ("stable", "canary"))
    return {
        "rollout.yaml": ROLLOUT.format(name=name, template=template),
        "services.yaml": services,
        "ingress.yaml": INGRESS.format(name=name, suffix="", role="stable"),
        "configmap.yaml": CONFIG_MAP.format(name=name),
    }


def _manifests(name: str) -> str:
    """Return the six manifests that rollstep renders of an app, as any other tool would lay them out."""
    return "---\n".join(
        [
            REPLICA_SET.format(name=name, template=_indented(TEMPLATE.format(name=name))),
            *(SERVICE.format(name=name, role=role) for role in ("stable", "canary")),
            INGRESS.format(name=name, suffix="", role="stable"),
            INGRESS.format(name=name, suffix="-canary", role="canary"),
            CONFIG_MAP.format(name=name),
        ]
    )


def names(size: int) -> list[str]:
    """Return the names of the apps of a fleet."""
    return [f"app-{number:05}" for number in range(size)]


def make_sources(folder: Path, size: int) -> None:
    """Make a git repository with the sources of ``size`` apps, nothing of them rendered or committed."""
    for name in names(size):
        app = folder / "environments" / "prod" / name
        app.mkdir(parents=True)
        for file, text in _sources(name).items():
            (app / file).write_text(text)
    (folder / "rollstep.yaml").write_text(
        "defaults:\n  namespace: shop\n  order: step\n  commit:\n    author: {name: bench, email: bench@example.com}\n"
    )
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=folder, check=True)
    for key, value in {"user.name": "bench", "user.email": "bench@example.com", "gc.auto": "0"}.items():
        subprocess.run(["git", "config", key, value], cwd=folder, check=True)


def commit_all(folder: Path) -> None:
    """Commit everything in the repository."""
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(["git", "commit", "--quiet", "--message=All"], cwd=folder, check=True)


def make_chart(folder: Path, size: int) -> None:
    """Make a helm chart that renders the six manifests of each of ``size`` apps."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: fleet\nversion: 1.0.0\n")
    (folder / "values.yaml").write_text("apps:\n" + "".join(f"- {name}\n" for name in names(size)))
    body = _manifests("NAME").replace("NAME", "{{ . }}")
    (folder / "templates" / "apps.yaml").write_text("{{- range .Values.apps }}\n---\n" + body + "{{- end }}\n")


def make_overlays(folder: Path, size: int) -> None:
    """Make a kustomization that builds the six manifests of each of ``size`` apps, an overlay an app."""
    for name in names(size):
        app = folder / name
        app.mkdir(parents=True)
        (app / "all.yaml").write_text(_manifests(name))
        (app / "kustomization.yaml").write_text("namespace: shop\nresources:\n- all.yaml\n")
    (folder / "kustomization.yaml").write_text("resources:\n" + "".join(f"- {name}\n" for name in names(size)))
