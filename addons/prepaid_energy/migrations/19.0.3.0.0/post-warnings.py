"""Whoever is low has been warned already; alarms get types of their own."""


def migrate(cr, version):
    """Fill the memory of warnings, so that an update warns nobody twice."""
    cr.execute(
        """
        UPDATE energy_wallet wallet
           SET warned = jsonb_build_object(
                   'balance', policy.warning_threshold::text)
          FROM energy_policy policy
         WHERE policy.id = wallet.policy_id AND wallet.level IN ('low', 'cut')
           AND wallet.warned IS NULL
        """
    )
    cr.execute(
        """
        UPDATE mail_activity activity SET activity_type_id = data.res_id
          FROM ir_model_data data
         WHERE data.module = 'prepaid_energy' AND data.name = 'alarm_gateway'
           AND activity.res_model = 'energy.gateway' AND activity.automated
        """
    )
    cr.execute(
        """
        UPDATE mail_activity activity SET activity_type_id = data.res_id
          FROM ir_model_data data, energy_service_point point
         WHERE data.module = 'prepaid_energy' AND data.name = 'alarm_trip'
           AND activity.res_model = 'energy.service.point' AND activity.automated
           AND activity.res_id = point.id AND point.tripped
           AND activity.summary LIKE 'Overload trip%'
        """
    )
