"""One module per verb; each defines the click command ``command`` and is imported when the verb is used."""
