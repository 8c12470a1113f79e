"""One module a verb; each defines a click command named ``command`` and is imported when the verb is used."""
