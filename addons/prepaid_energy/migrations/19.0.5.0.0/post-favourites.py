"""Favourites of the line analysis group by the unit of the quota as well.

They belong to who uses them and are not updated; one that is still as it was delivered
is brought up to date: it added kWh and money up.
"""

NAMES = ("filter_quota_overran", "filter_quota_forecast", "filter_quota_month")
OLD = "'graph_groupbys': ['line_id'],"
NEW = "'graph_groupbys': ['line_id', 'unit'],"


def migrate(cr, version):
    """Add the unit where the grouping of the graph is the delivered one."""
    cr.execute(
        """
        UPDATE ir_filters filter SET context = replace(context, %s, %s)
          FROM ir_model_data data
         WHERE data.module = 'prepaid_energy' AND data.model = 'ir.filters'
           AND data.name IN %s AND data.res_id = filter.id
        """,
        (OLD, NEW, NAMES),
    )
