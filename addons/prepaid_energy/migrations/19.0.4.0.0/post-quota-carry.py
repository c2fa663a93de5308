"""Quotas keep how they carry over; those that are there have it from their plans."""


def migrate(cr, version):
    """Copy it from the plan; without one nothing is carried over."""
    cr.execute(
        """
        UPDATE energy_quota quota
           SET carry = plan.carry, carry_percent = plan.carry_percent
          FROM energy_line_plan plan
         WHERE plan.id = quota.plan_id AND quota.carry IS NULL
        """
    )
