"""The directory's tables, version by version. ``app.directory.migrate`` runs them."""
