import re

from odoo import models

# name of a channel that a client may ask for -> the records that it stands for
CHANNELS = {"energy_board_": "energy.site", "energy_wallet_": "energy.wallet"}
NUMBER = re.compile(r"[0-9]{1,9}")


class IrWebsocket(models.AbstractModel):
    """Who may listen to what is told to live boards and to tenants' pages."""

    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """Replace the names that the client asks for by records that its user reads."""
        names = [name for name in channels if str(name).startswith(tuple(CHANNELS))]
        others = [name for name in channels if name not in names]
        for prefix, model in CHANNELS.items():
            numbers = [name.removeprefix(prefix) for name in names]
            ids = [int(number) for number in numbers if NUMBER.fullmatch(number)]
            others.extend(self._channels_of(self.env[model], ids))
        return super()._build_bus_channel_list(others)

    def _channels_of(self, model, ids):
        if not ids or not model.has_access("read"):
            return model
        return model.search([("id", "in", ids)])
