"""The meter bridge's configuration file, for a gateway whose meters the ERP knows."""

import json

HEAD = """\
# Meter bridge of the gateway {name}.
# It has the API key in it: readable by the bridge's user only (chmod 600).
# Try it with   meter-bridge check --config bridge.toml
# and start it  meter-bridge run --config bridge.toml

state_dir = "/var/lib/meter-bridge"  # what is read and not yet sent is kept here
poll_interval = 10                   # seconds between two reads of a meter
meters = "erp"                       # which meter hangs where is kept in Odoo

[erp]
url = {url}
database = {database}
api_key = {key}
"""


def bridge_file(name, url, database, key, lines):
    """The text of ``bridge.toml``.

    :param list lines: dicts with the keys of ``[[line]]``; empty values are left out.
    """
    shown = "".join(c if c.isprintable() else " " for c in name)
    text = HEAD.format(
        name=shown, url=_toml(url), database=_toml(database), key=_toml(key)
    )
    for line in lines:
        keys = [f"{key} = {_toml(value)}" for key, value in line.items() if value]
        text += "\n".join(["", "[[line]]", *keys, ""])
    return text


def _toml(value):
    """A string or whole number; JSON's strings are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
