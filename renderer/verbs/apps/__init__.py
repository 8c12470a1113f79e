"""What verbs share that work on many apps: opening, policies, parallel processes."""
