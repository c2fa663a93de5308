"""The portal's page was drawn anew; its extensions are loaded again after it."""


def migrate(cr, version):
    """Drop the add-on's own extensions that look for places of the old page."""
    cr.execute(
        """
        DELETE FROM ir_ui_view WHERE id IN (
            SELECT child.res_id
              FROM ir_model_data child
              JOIN ir_ui_view view ON view.id = child.res_id
              JOIN ir_model_data parent ON parent.res_id = view.inherit_id
             WHERE child.model = 'ir.ui.view' AND child.module = 'prepaid_energy'
               AND parent.model = 'ir.ui.view' AND parent.module = 'prepaid_energy')
     RETURNING id
        """
    )
    gone = [row[0] for row in cr.fetchall()]
    if gone:
        cr.execute(
            "DELETE FROM ir_model_data WHERE model = 'ir.ui.view' AND res_id = ANY(%s)",
            [gone],
        )
