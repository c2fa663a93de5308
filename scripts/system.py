"""Programs that are not Python packages: Odoo, PostgreSQL, mosquitto, Chromium.

Servers are unpacked from Debian packages into ``.local/debs`` with an apt
configuration of their own, so that no service of the host is installed, started or
changed. Only plain libraries and Chromium are installed on the host, when missing.
"""

import os
import platform
import re
import shutil
import stat
import subprocess
from pathlib import Path

from console import Fail, run, step
from layout import DEBS, LOCAL, STAMPS

SUITE = "bookworm"
# Odoo links to fonts and scripts of other packages; Font Awesome as it was in bookworm.
PACKAGES = {
    "sid": [
        "odoo-19",
        "libjs-jquery",
        "libjs-underscore",
        "libjs-jquery-form",
        "fonts-roboto-unhinted",
        "fonts-montserrat",
        "fonts-glyphicons-halflings",
        "fonts-ocr-b",
    ],
    SUITE: [
        "fonts-font-awesome",
        "fonts-inconsolata",
        "postgresql-15",
        "postgresql-client-15",
        "mosquitto",
        "python3-pip-whl",
    ],
}
HOST_LIBRARIES = [
    "libpq5",
    "libllvm14",
    "libicu72",
    "libxml2",
    "libxslt1.1",
    "libgssapi-krb5-2",
    "libldap-2.5-0",
    "liblz4-1",
    "libzstd1",
    "libpam0g",
    "libuuid1",
    "libselinux1",
    "libsystemd0",
    "libssl3",
    "libstdc++6",
    "libmosquitto1",
    "libcjson1",
    "libdlt2",
    "libcap2",
    "libwrap0",
    "tzdata",
]
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

PG_BIN = DEBS / "usr/lib/postgresql/15/bin"
MOSQUITTO = DEBS / "usr/sbin/mosquitto"
ODOO_DIST = DEBS / "usr/lib/python3/dist-packages"


def check_system():
    """Raise :class:`Fail` on a system that this set-up was not made for."""
    release = {}
    if Path("/etc/os-release").exists():
        lines = Path("/etc/os-release").read_text().splitlines()
        release = dict(line.split("=", 1) for line in lines if "=" in line)
    code = release.get("VERSION_CODENAME", "").strip('"')
    if code != SUITE or platform.machine() not in ("x86_64", "aarch64"):
        name = release.get("PRETTY_NAME", platform.system()).strip('"')
        raise Fail(
            f"this set-up supports Debian 12 (bookworm) on amd64 and arm64, not {name} "
            f"on {platform.machine()}; elsewhere use `docker compose up`."
        )
    for tool in ("apt-get", "dpkg", "git"):
        if not shutil.which(tool):
            raise Fail(f"the program {tool} is missing; install it and run this again.")


def _mirror():
    """The Debian mirror of the host's own apt sources."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 3 and words[1:] == [SUITE, "main"]:
            return words[0]
    raise Fail(f"the host's apt sources name no mirror of Debian {SUITE} main.")


def _isolated_apt():
    """Write an apt configuration that leaves the host's alone; return its path."""
    home = LOCAL / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    mirror = _mirror()
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (home / "sources.list").write_text(
        "".join(f"deb {signed}{mirror} {suite} main\n" for suite in PACKAGES)
    )
    (home / "status").touch()
    (home / "apt.conf").write_text(
        f'Dir::Etc::SourceList "{home}/sources.list";\n'
        'Dir::Etc::SourceParts "/dev/null";\n'
        'Dir::Etc::Preferences "/dev/null";\n'
        'Dir::Etc::PreferencesParts "/dev/null";\n'
        f'Dir::State "{home}";\nDir::State::Lists "{home}/lists";\n'
        f'Dir::State::status "{home}/status";\nDir::Cache "{home}/cache";\n'
        'APT::Sandbox::User "";\nAcquire::Languages "none";\nAcquire::Retries "3";\n'
        # A mirror that is frozen on a day serves lists that are signed, but older.
        'Acquire::Check-Valid-Until "false";\n'
    )
    return home / "apt.conf"


def _stamp(name):
    return STAMPS / name


def _network_hint(error, what):
    return Fail(
        f"{what} could not be fetched; is there a network connection to the package "
        f"mirror? {error}"
    )


def unpack_debs():
    """Fetch and unpack the servers into ``.local/debs`` (once)."""
    wanted = "\n".join(f"{suite}: {names}" for suite, names in PACKAGES.items())
    stamp = _stamp("debs")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    with step("Fetching Odoo 19, PostgreSQL 15 and mosquitto (150 MB)"):
        environment = {**os.environ, "APT_CONFIG": str(_isolated_apt())}
        folder = LOCAL / "apt" / "debs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        names = [f"{n}/{suite}" for suite, group in PACKAGES.items() for n in group]
        try:
            run(["apt-get", "-q", "update"], what="apt-get update", env=environment)
            run(
                ["apt-get", "-q", "download", *names],
                what="apt-get download",
                env=environment,
                cwd=folder,
            )
        except Fail as error:
            raise _network_hint(error, "Odoo, PostgreSQL or mosquitto") from None
    with step("Unpacking them"):
        shutil.rmtree(DEBS, ignore_errors=True)
        DEBS.mkdir(parents=True)
        for package in sorted(folder.glob("*.deb")):
            run(["dpkg", "-x", package, DEBS], what=f"unpacking {package.name}")
        shutil.rmtree(folder)
        DEBS.chmod(DEBS.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def _libraries_missing():
    programs = [PG_BIN / "postgres", PG_BIN / "initdb", PG_BIN / "psql", MOSQUITTO]
    listing = "".join(
        subprocess.run(
            ["ldd", str(p)], capture_output=True, text=True, check=False
        ).stdout
        for p in programs
    )
    return sorted(set(re.findall(r"(\S+) => not found", listing)))


def host_install(packages, reason):
    """Install plain Debian ``packages`` on the host (root or sudo)."""
    prefix = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise Fail(
                f"{reason} and this user is neither root nor has sudo; ask an "
                f"administrator for: apt-get install {' '.join(packages)}"
            )
        prefix = ["sudo", "--preserve-env=DEBIAN_FRONTEND"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    base = [*prefix, "apt-get", "-q", "-y", "-o", "Acquire::Retries=3"]
    try:
        run([*base, "update"], what="apt-get update", env=environment)
        run(
            [*base, "install", "--no-install-recommends", *packages],
            what=f"apt-get install {' '.join(packages)}",
            env=environment,
        )
    except Fail as error:
        raise _network_hint(error, " ".join(packages)) from None


def install_libraries():
    """Install the shared libraries that the unpacked servers still miss."""
    missing = _libraries_missing()
    if missing:
        with step(f"Installing {len(missing)} shared libraries"):
            host_install(HOST_LIBRARIES, f"libraries are missing ({missing[0]} …)")
        missing = _libraries_missing()
        if missing:
            raise Fail(f"shared libraries are still missing: {', '.join(missing)}")


def install_chromium():
    """Install Debian's Chromium on the host unless there is one."""
    install_node_library()
    if not shutil.which("chromium"):
        with step("Installing Chromium for the browser tests"):
            host_install(["chromium", "fonts-dejavu-core"], "Chromium is missing")


def install_node_library():
    """Install the one library that the Node.js of Python wheels does not bring."""
    if not list(Path("/usr/lib").glob("*-linux-gnu/libatomic.so.1")):
        with step("Installing libatomic1 for Node.js"):
            host_install(["libatomic1"], "the library libatomic1 is missing")
