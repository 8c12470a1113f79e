"""Rules about types and fields (pure)."""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS101",
        "error",
        "No Kubernetes object",
        "Every document needs apiVersion, kind and metadata.name, as text. generateName makes another object each time "
        "and cannot be kept in git.",
        "Add what is missing, or move what is no manifest out of the folder.",
    ),
    Rule(
        "RS102",
        "error",
        "A value of a Rollout that its CRD refuses",
        "The API server checks types, patterns and duplicates by the Rollout's CRD, and refuses the whole object.",
        "Write the type that is expected; a number where text belongs needs quotes.",
    ),
    Rule(
        "RS103",
        "error",
        "A field that a Rollout's CRD requires",
        "The API server refuses a Rollout in which a required field is missing or null.",
        "Add the field.",
    ),
    Rule(
        "RS104",
        "error",
        "A field that a Rollout's CRD does not have",
        "The API server drops it without a word where the manifest is applied by a tool that does not ask for strict "
        "validation: the typo changes nothing, and nobody notices.",
        "Mend the name, or take the field out.",
    ),
    Rule(
        "RS105",
        "error",
        "An object that Kubernetes' schema refuses",
        "Services, Ingresses and all other objects of Kubernetes itself are held against the strict schemas of the "
        "Kubernetes version in rollstep.yaml: types, required and unknown fields.",
        "Mend the field; where the cluster is newer, set `kubernetesVersion`.",
    ),
)
