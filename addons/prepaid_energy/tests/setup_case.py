"""A company in which nothing is configured, and its energy manager."""

import base64

from odoo.tests import new_test_user


def set_up_empty(cls, password="new_manager"):
    """Make the company, with a chart of accounts, and a manager who works there."""
    cls.park = cls.env["res.company"].create({"name": "Empty Park"})
    cls.env["account.chart.template"].try_loading(
        "generic_coa", cls.park, install_demo=False
    )
    # as it was before the add-on: the installation makes these for companies
    cls.park.energy_prepayment_account_id = False
    cls.manager = new_test_user(
        cls.env,
        "new_manager",
        groups="prepaid_energy.group_energy_manager",
        password=password,
        company_id=cls.park.id,
        company_ids=[(6, 0, cls.park.ids)],
        tz="Europe/Berlin",
    )
    cls.as_manager = cls.env(user=cls.manager, context={"tracking_disable": True})


def base_of(env):
    """Site, tariff and policy, by the dialogues."""
    Setup = env["energy.setup"]
    Setup.create({"step": "site", "name": "Park", "tz": "Europe/Berlin"}).action_apply()
    Setup.create({"step": "tariff", "name": "Day", "price": 0.3}).action_apply()
    Setup.create({"step": "policy", "name": "Tenants"}).action_apply()


def list_of(env, text, **values):
    """The import dialogue with a file: csv text or bytes."""
    data = text.encode() if isinstance(text, str) else text
    return env["energy.setup.import"].create(
        {"data": base64.b64encode(data), "filename": "meters.csv", **values}
    )
