"""The portal's record rules know invited colleagues; they are not updated otherwise."""

MODELS = {
    "energy_wallet": "",
    "energy_wallet_entry": "wallet_id.",
    "energy_usage": "wallet_id.",
    "energy_interval": "wallet_id.",
    "energy_service_point": "wallet_id.",
    "energy_usage_report": "wallet_id.",
}


def migrate(cr, version):
    """Add the invited users' part to each rule that is still as it was delivered."""
    for model, path in MODELS.items():
        cr.execute(
            """
            UPDATE ir_rule rule SET domain_force = domain_force || %s
              FROM ir_model_data data
             WHERE data.module = 'prepaid_energy' AND data.model = 'ir.rule'
               AND data.name = %s AND data.res_id = rule.id
               AND domain_force NOT LIKE '%%energy_role%%'
            """,
            (
                f" + ([('{path}portal_user_ids', 'in', [user.id])] "
                "if user.energy_role else [])",
                f"{model}_rule_portal",
            ),
        )
