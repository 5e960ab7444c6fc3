"""What Alembic runs: it uses the connection, and the transaction, that it is given."""

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    version_table=config.attributes["version_table"],
    transactional_ddl=False,  # the whole of it is one transaction of the caller's
)
context.run_migrations()
