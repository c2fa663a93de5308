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


PASSWORDS = """
# A password_file below lies in the folder of this file. Put the password into it, and
# make it readable by the bridge's user only (chmod 600).
"""


def bridge_file(name, url, database, key, lines, brokers=()):
    """The text of ``bridge.toml``.

    :param list lines: dicts with the keys of ``[[line]]``; empty values are left out.
    :param list brokers: likewise of ``[[mqtt]]``; ``meter`` is a list of dicts with the
        keys of ``[[mqtt.meter]]``.
    """
    shown = "".join(c if c.isprintable() else " " for c in name)
    text = HEAD.format(
        name=shown, url=_toml(url), database=_toml(database), key=_toml(key)
    )
    if any("password_file" in table for table in (*lines, *brokers)):
        text += PASSWORDS
    for line in lines:
        text += _table("line", {key: value for key, value in line.items() if value})
    for broker in brokers:
        own = {key: value for key, value in broker.items() if value and key != "meter"}
        text += _table("mqtt", own)
        for meter in broker["meter"]:
            text += _table("mqtt.meter", meter)
    return text


def _table(heading, values):
    keys = [f"{key} = {_toml(value)}" for key, value in values.items()]
    return "\n".join(["", f"[[{heading}]]", *keys, ""])


def _toml(value):
    """A string, number, truth value or dict; JSON's strings are TOML's, but for DEL."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
