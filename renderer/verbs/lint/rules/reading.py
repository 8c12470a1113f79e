"""Rules about reading manifests."""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS001",
        "A file that is not text",
        "Manifests are UTF-8 without NUL bytes; tools disagree about any other encoding, or refuse it.",
        "Save the file as UTF-8.",
    ),
    Rule(
        "RS002",
        "Invalid YAML",
        "No tool applies a file that cannot be parsed. The linter checks nothing else in it.",
        "Correct the syntax at the named line; the usual causes are indentation, a colon or a quote.",
    ),
    Rule(
        "RS003",
        "A duplicate key",
        "Kubernetes refuses it. Tools that accept it keep one of the two values and drop the other silently.",
        "Remove one of the two.",
    ),
    Rule(
        "RS004",
        "Too deep or too large",
        "A document that nests hundreds of levels, or whose aliases expand to millions of values, is not a manifest.",
        "Write the values out, or remove the aliases.",
    ),
    Rule(
        "RS005",
        "A value that Kubernetes' YAML reader refuses",
        "Manifests become JSON, which has no infinity, no NaN and no null keys. kubectl splits a file at each line "
        "that begins with `---` before it parses YAML; it fails on `%YAML` above such a line and on text behind it.",
        "Follow the message; most values need quotes.",
    ),
    Rule(
        "RS006",
        "Manifests that cannot be generated",
        "A template cannot be filled in, or the command that prints an app's manifests fails.",
        "Follow the message; the values of templates are under `values` in rollstep.yaml.",
    ),
    Rule(
        "RS007",
        "A manifest that nothing reads",
        "The app's manifests come from a command (`source` in rollstep.yaml), and none of its arguments names this "
        "file or its folder.",
        "Let the command read the file and name it in source.reads, or delete it.",
        severity="warning",
    ),
    Rule(
        "RS010",
        "A scalar that YAML 1.1 and 1.2 read differently",
        "Kubernetes reads YAML 1.1: `yes`, `on` and `y` are true, `010` is 8 and `1_000` is 1000. Editors, linters and "
        "templates that read YAML 1.2 take them for text or for other numbers.",
        "Write `true` or `false` or a decimal number, or put text in quotes.",
        severity="warning",
    ),
    Rule(
        "RS011",
        "A tag that Kubernetes drops",
        "`!include`, `!vault`, `!!set` and the like have a meaning for other tools. Kubernetes' reader reads a scalar "
        "with such a tag as text, and ignores the tag of a mapping or list.",
        "Write the value out, or remove the tag.",
        severity="warning",
    ),
)
