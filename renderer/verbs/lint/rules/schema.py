"""Rules about types and fields."""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS101",
        "Not a Kubernetes object",
        "Every document needs apiVersion, kind and metadata.name, as text. generateName makes another object each time "
        "and does not work from git.",
        "Add the missing field, or move files that are not manifests out of the folder.",
    ),
    Rule(
        "RS102",
        "A value that the Rollout CRD refuses",
        "The API server checks types, patterns and duplicates by the CRD, and refuses the whole object.",
        "Write a value of the expected type; a number in place of text needs quotes.",
    ),
    Rule(
        "RS103",
        "A missing field that the Rollout CRD requires",
        "The API server refuses a Rollout whose required field is missing or null.",
        "Add the field.",
    ),
    Rule(
        "RS104",
        "A field that the Rollout CRD does not have",
        "Unless the applying tool asks for strict validation, the API server drops the field silently: the typo has no "
        "effect and no message.",
        "Correct the name, or remove the field.",
    ),
    Rule(
        "RS105",
        "An object that Kubernetes' schema refuses",
        "Services, Ingresses and all other built-in objects are validated by the strict schemas of the Kubernetes "
        "version in rollstep.yaml: types, required fields and unknown fields.",
        "Correct the field; for a newer cluster, set `kubernetesVersion`.",
    ),
)
