"""The functions of the language (``builtin/builtin.go`` of expr-lang/expr), by name."""

from __future__ import annotations

PREDICATES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("all", "none", "any", "one", "filter", "map"), ("expression", "predicate")),
    **dict.fromkeys(("find", "findIndex", "findLast", "findLastIndex", "groupBy"), ("expression", "predicate")),
    **dict.fromkeys(("count", "sum"), ("expression", "predicate?")),
    **dict.fromkeys(("sortBy", "reduce"), ("expression", "predicate", "expression?")),
}
"""The functions that take a closure, with their arguments; those with a question mark may be missing."""

UNSUPPORTED = {"date", "timezone", "toJSON", "fromJSON", "toBase64", "fromBase64"}
"""The functions that this implementation leaves out."""

BUILTINS = UNSUPPORTED | {
    *("len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "trimPrefix", "trimSuffix"),
    *("upper", "lower", "split", "splitAfter", "replace", "repeat", "join", "indexOf", "lastIndexOf", "hasPrefix"),
    *("hasSuffix", "max", "min", "mean", "median", "now", "duration", "first", "last", "get", "take", "keys"),
    *("values", "toPairs", "fromPairs", "reverse", "uniq", "concat", "flatten", "sort", "bitand", "bitor", "bitxor"),
    *("bitnand", "bitshl", "bitshr", "bitushr", "bitnot"),
}
"""The functions without a closure."""
