"""A package, so that its site and cameras end with its tests, not with the session (pytest: scope "package")."""
