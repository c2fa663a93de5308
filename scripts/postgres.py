"""A PostgreSQL cluster of our own under ``.local/postgres``, on its own port."""

import functools
import os
import pwd
import shutil
import subprocess

from console import Fail, run, step
from layout import LOCAL, LOGS, PG_PORT, PGDATA, ROOT, need_port
from system import PG_BIN

USER = "odoo"
PASSWORD = "odoo"
# Fits a machine of 2 cores; the data is a demo's, yet durability stays on.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "port": PG_PORT,
    "unix_socket_directories": str(PGDATA),
    "shared_buffers": "512MB",
    "max_connections": 100,
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "max_wal_size": "2GB",
}


def environment():
    """The libpq variables that lead psql, Odoo and the tests to this cluster."""
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(PG_PORT),
        "PGUSER": USER,
        "PGPASSWORD": PASSWORD,
    }


def _nobody_enters():
    """Whether ``nobody`` may walk the path to the programs and the data."""
    words = [*_drop_to_nobody(), "ls", str(PG_BIN), str(LOCAL)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _drop_to_nobody():
    nobody = pwd.getpwnam("nobody")
    ids = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"]
    return ["setpriv", *ids, "--clear-groups"]


@functools.cache
def _as_server():
    """The words that run a command as another user than root, which PostgreSQL refuses.

    Root becomes ``nobody``. Where ``nobody`` may not walk the path (a clone in /root),
    a user namespace shows root as ``nobody`` to PostgreSQL instead.
    """
    if os.geteuid() != 0:
        return []
    if _nobody_enters():
        return _drop_to_nobody()
    nobody = pwd.getpwnam("nobody")
    ids = [f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}"]
    words = ["unshare", "--user", *ids]
    probe = subprocess.run([*words, "ls", LOCAL], capture_output=True, check=False)
    if probe.returncode:
        raise Fail(
            f"PostgreSQL refuses to run as root, and the user nobody may not enter "
            f"{ROOT}; move the checkout to a folder that all may enter, e.g. /srv."
        )
    return words


def _create():
    shutil.rmtree(PGDATA, ignore_errors=True)
    PGDATA.mkdir(parents=True)
    secret = LOCAL / "pg-password"
    secret.write_text(PASSWORD)
    if _as_server() and _as_server() == _drop_to_nobody():
        nobody = pwd.getpwnam("nobody")
        for path in (PGDATA, secret):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    PGDATA.chmod(0o700)
    run(
        [
            *_as_server(),
            PG_BIN / "initdb",
            f"--pgdata={PGDATA}",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ],
        what="initdb",
        cwd="/",
    )
    secret.unlink()


def is_running():
    """Whether this cluster accepts connections."""
    if not (PGDATA / "PG_VERSION").exists():
        return False
    status = [*_as_server(), PG_BIN / "pg_ctl", "status", "-D", PGDATA]
    result = subprocess.run(
        [str(w) for w in status], capture_output=True, cwd="/", check=False
    )
    return result.returncode == 0


def start():
    """Start the cluster, creating it on first use."""
    if is_running():
        return
    need_port(PG_PORT, "PostgreSQL")
    with step(f"Starting PostgreSQL on port {PG_PORT}"):
        if not (PGDATA / "PG_VERSION").exists():
            _create()
        config = "".join(f"{key} = '{value}'\n" for key, value in SETTINGS.items())
        (PGDATA / "postgresql.auto.conf").write_text(config)
        LOGS.mkdir(parents=True, exist_ok=True)
        log = PGDATA / "server.log"
        run(
            [
                *_as_server(),
                PG_BIN / "pg_ctl",
                "start",
                "--wait",
                "--timeout=60",
                f"--pgdata={PGDATA}",
                f"--log={log}",
            ],
            what=f"starting PostgreSQL (see {log})",
            cwd="/",
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )


def stop():
    """Stop the cluster; the data stays."""
    if is_running():
        with step("Stopping PostgreSQL"):
            run(
                [*_as_server(), PG_BIN / "pg_ctl", "stop", "-m", "fast", "-D", PGDATA],
                what="stopping PostgreSQL",
                cwd="/",
            )


def psql(sql, database="postgres"):
    """Run ``sql`` and return what it prints, bare."""
    return run(
        [
            PG_BIN / "psql",
            "--no-psqlrc",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-c",
            sql,
        ],
        what="psql",
        env={**os.environ, **environment()},
    ).strip()


def exists(database):
    """Whether the cluster has ``database``."""
    return bool(psql(f"SELECT 1 FROM pg_database WHERE datname = '{database}'"))


def drop(database):
    """Drop ``database`` if it is there, closing its connections."""
    psql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def clone(template, database):
    """Make ``database`` a copy of ``template``; nobody may be connected to either."""
    drop(database)
    if not exists(template):
        raise Fail(
            f"the template database {template} is missing; run the command again."
        )
    psql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
