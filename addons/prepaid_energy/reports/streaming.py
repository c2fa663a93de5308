"""Many rows from the database, a few at a time."""

from uuid import uuid4

from odoo.tools import SQL

ROWS = 2000  # at a time in memory


def stream(env, query):
    """Yield the rows of a query through a cursor that lives in the database.

    Raw SQL: the caller has checked access. The cursor ends with the transaction, so
    rows must be taken before the request or the job commits.

    :param SQL query: a SELECT.
    """
    env.flush_all()
    cursor = SQL.identifier(f"energy_{uuid4().hex}")
    env.cr.execute(SQL("DECLARE %s NO SCROLL CURSOR FOR %s", cursor, query))
    fetch = SQL("FETCH FORWARD %s FROM %s", ROWS, cursor)
    while rows := env.execute_query(fetch):
        yield from rows
    env.cr.execute(SQL("CLOSE %s", cursor))
