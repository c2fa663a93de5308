"""Work again what met another transaction; Odoo does this for HTTP, not for crons."""

from psycopg2.errors import DeadlockDetected, SerializationFailure

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
