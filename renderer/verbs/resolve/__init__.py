"""``rollstep resolve``: makes rolled-out apps whole again after a conflict in git, each from one side."""
