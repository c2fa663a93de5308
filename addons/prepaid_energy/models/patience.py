"""Work again what met another transaction; Odoo does this for HTTP, not for crons."""

from psycopg2.errors import DeadlockDetected, SerializationFailure

from odoo.tools import SQL

ATTEMPTS = 20


def patiently(env, work):
    """The result of ``work()``, which runs again where its transaction lost a race.

    Each attempt begins with a rollback, so nothing before it may be uncommitted.

    :raise psycopg2.errors.SerializationFailure: the last of many attempts lost too.
    """
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            return work()
        except (SerializationFailure, DeadlockDetected):
            env.cr.rollback()
            env.invalidate_all()
            if not attempts_left:
                raise
    return None


def promptly(env, work):
    """:func:`patiently` for a request that has written nothing yet, else ``work()``.

    Odoo tries a request again by itself, but only after a pause of up to two seconds,
    and five times: gateways that share wallets would wait most of their time.
    """
    env.flush_all()
    query = SQL("SELECT pg_current_xact_id_if_assigned() IS NULL")
    if env.execute_query(query)[0][0]:
        return patiently(env, work)
    return work()
