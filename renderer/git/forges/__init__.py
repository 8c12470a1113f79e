"""Pull requests and reviews on forges: GitHub, GitLab, Gitea, Forgejo and Bitbucket behind one interface.

Each forge is one module with a class and a ``ForgeType``, which is a row of ``site.FORGES``.  The token comes from the
environment and is sent in a header of requests to that forge only.
"""
