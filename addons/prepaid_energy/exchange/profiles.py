"""The types of meters that a bridge knows as it is shipped, and how it reaches each.

A site's bridge may have profiles of its own, so an unknown name is no error.
"""

MODBUS = (
    "abb_b23 adl3000 dds238 ddsy1352 dtsu666 em24 em340 iem3000 janitza_b23 sdm120 "
    "sdm630"
).split()
OTHERS = {
    "dlms_electricity": "dlms_tcp",
    "dlt645_1p": "dlt645_tcp",
    "dlt645_3p": "dlt645_tcp",
    "mbus_electricity": "mbus_tcp",
    "mbus_gas": "mbus_tcp",
    "mbus_heat": "mbus_tcp",
    "mbus_water": "mbus_tcp",
    "shelly": "mqtt",
    "tasmota": "mqtt",
    "zigbee2mqtt": "mqtt",
    "chirpstack": "chirpstack",
}
# what a new line of meters is taken for, until somebody says better
TRANSPORTS = {**dict.fromkeys(MODBUS, "modbus_tcp"), **OTHERS}
