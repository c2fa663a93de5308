from collections import OrderedDict

from odoo import api, models

from odoo.addons.base.models.ir_actions_report import _wkhtml

from ..reports.plain_pdf import plain_pdf

MISSING = ("install", "broken")


class IrActionsReport(models.Model):
    """PDF also where wkhtmltopdf is not there, or is the one without patched Qt.

    Without it Odoo sends no invoice and prints no statement. Where it is there, it
    makes the documents as ever.
    """

    _inherit = "ir.actions.report"

    @api.model
    def get_wkhtmltopdf_state(self):
        """Say that a PDF can be made: the web client asks before it downloads one."""
        state = super().get_wkhtmltopdf_state()
        return "ok" if state in MISSING else state

    def _render_qweb_pdf_prepare_streams(self, report_ref, data, res_ids=None):
        """Render one document at a time where only patched Qt tells them apart."""
        render = super()._render_qweb_pdf_prepare_streams
        if not res_ids or len(res_ids) == 1 or _wkhtml().is_patched_qt:
            return render(report_ref, data, res_ids=res_ids)
        streams = OrderedDict()
        for res_id in dict.fromkeys(res_ids):
            streams.update(render(report_ref, data, res_ids=[res_id]))
        return streams

    @api.model
    def _run_wkhtmltopdf(
        self,
        bodies,
        report_ref=False,
        header=None,
        footer=None,
        landscape=False,
        specific_paperformat_args=None,
        set_viewport_size=False,
    ):
        """Set the documents plainly where the program cannot."""
        bodies, info = list(bodies), _wkhtml()
        if info.state in MISSING or (len(bodies) > 1 and not info.is_patched_qt):
            wide = landscape or (specific_paperformat_args or {}).get(
                "data-report-landscape"
            )
            return plain_pdf(bodies, header, footer, bool(wide))
        return super()._run_wkhtmltopdf(
            bodies,
            report_ref=report_ref,
            header=header,
            footer=footer,
            landscape=landscape,
            specific_paperformat_args=specific_paperformat_args,
            set_viewport_size=set_viewport_size,
        )
