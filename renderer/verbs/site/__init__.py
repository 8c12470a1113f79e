"""The site: static pages of all releases, from git alone."""
