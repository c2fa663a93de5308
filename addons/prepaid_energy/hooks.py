"""What the installation does once, beside loading data."""


def post_init_hook(env):
    """Give every company that has a chart of accounts its prepayments account."""
    env["res.company"].search([])._ensure_energy_prepayment_account()
