"""Opening, moving, validating and sharing out apps, for all verbs."""
