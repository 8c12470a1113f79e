"""Rules about reading manifests (pure)."""

from __future__ import annotations

from renderer.verbs.lint.rule import Rule

RULES = (
    Rule(
        "RS001",
        "error",
        "A file that is no text",
        "Manifests are UTF-8 without NUL bytes; anything else is read differently by each tool, or not at all.",
        "Save the file as UTF-8.",
    ),
    Rule(
        "RS002",
        "error",
        "No YAML",
        "What no parser reads is applied by none; where a file cannot be read, none of it is looked at.",
        "Mend the syntax at the line that is named: most often it is indentation, a colon or a quote.",
    ),
    Rule(
        "RS003",
        "error",
        "A key that stands twice",
        "Kubernetes refuses it, and tools that take it keep one of the two and drop the other without a word.",
        "Remove one of them.",
    ),
    Rule(
        "RS004",
        "error",
        "Too deep or too large",
        "A document that nests hundreds of levels, or whose aliases expand to millions of values, is no manifest.",
        "Write the values out, or take the aliases away.",
    ),
    Rule(
        "RS005",
        "error",
        "A value that Kubernetes' YAML reader refuses",
        "JSON, which manifests become, has no infinity, no NaN and no null keys. kubectl parts a file at each line "
        "that begins with `---` before it reads YAML: `%YAML` above such a line or text behind it makes it fail.",
        "Do what the message says: most often it is quotes around a value.",
    ),
    Rule(
        "RS006",
        "error",
        "Manifests that cannot be made",
        "A template cannot be filled in, or the command that prints an app's manifests fails.",
        "Do what the message says; values stand under `values` in rollstep.yaml.",
    ),
    Rule(
        "RS010",
        "warning",
        "YAML 1.1 and 1.2 disagree",
        "Kubernetes reads YAML 1.1: `yes`, `on` and `y` are true, `010` is 8 and `1_000` is 1000. Editors, linters and "
        "templates that read YAML 1.2 take them for text or for other numbers.",
        "Write `true` or `false`, a decimal number, or put text in quotes.",
    ),
    Rule(
        "RS011",
        "warning",
        "A tag that Kubernetes drops",
        "`!include`, `!vault`, `!!set` and the like mean something to other tools. Kubernetes' reader makes text of a "
        "scalar that has such a tag, and takes no notice of one before a mapping or a list.",
        "Write the value out, or remove the tag.",
    ),
)
