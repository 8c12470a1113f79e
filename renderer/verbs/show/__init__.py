"""The verbs that show releases: status, get, plan, history and diff."""
