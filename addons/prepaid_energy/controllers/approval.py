from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import request

PAGES = {
    "approve": "energy.quota.request",
    "transfer": "energy.quota.transfer",
}
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address has the token
    "X-Robots-Tag": "noindex",
}


class EnergyApproval(http.Controller):
    """Decide from a phone: by the link in the mail, or logged in.

    Programs that look into mails open links, so opening one only shows the request;
    the button decides.
    """

    @http.route(
        [
            "/energy/<any(approve, transfer):page>/<int:record_id>",
        ],
        type="http",
        auth="public",
        methods=["GET", "POST"],
        sitemap=False,
    )
    def energy_approval(self, page, record_id, token=None, decision=None, note=""):
        """Show what is to be decided; with POST, decide."""
        # sudo: the link's signature or the user's rights say who may see it, see _who
        record_sudo = request.env[PAGES[page]].sudo().browse(record_id).exists()
        user = self._who(record_sudo, token)
        if not user:
            if not token and request.env.user._is_public():
                return request.redirect_query(
                    "/web/login", {"redirect": request.httprequest.path}
                )
            return self._page(None, kind="warning", message=self._stale())
        request.update_context(lang=user.lang, tz=user.tz)
        record = record_sudo.with_env(request.env).with_user(user)
        if request.httprequest.method == "POST":
            return self._decide(record, token, decision, note.strip())
        return self._page(record, token=token)

    def _who(self, record_sudo, token):
        """As whom the caller decides, or none."""
        if token:
            return record_sudo._user_of_link(token)
        user = request.env.user
        if not record_sudo or user._is_public():
            return user.browse()
        try:
            record_sudo.with_env(request.env).check_access("read")
        except AccessError:
            return user.browse()
        return user

    def _stale(self):
        return request.env._(
            "This link is not valid any more: somebody has decided, the request was "
            "withdrawn, or the link is too old. Log in to see the request."
        )

    def _decide(self, record, token, decision, note):
        if decision not in ("yes", "no"):
            return self._page(record, token=token)
        if decision == "no" and not note:
            message = request.env._("Please tell the requester why you refuse.")
            return self._page(record, token=token, kind="warning", message=message)
        try:
            with request.env.cr.savepoint():
                record._decide(decision == "yes", note[:500])
        except UserError as error:
            return self._page(record, token=token, kind="danger", message=error.args[0])
        record.invalidate_recordset()
        if decision == "no":
            message = request.env._("You have refused it. The requester is told.")
        elif record.sudo().state == "submitted":
            message = request.env._("You have agreed. Somebody else decides now.")
        else:
            message = request.env._("You have approved it. The requester is told.")
        return self._page(record, kind="success", message=message)

    def _page(self, record, token=None, kind="info", message=""):
        """Render the page, for a record in the rights of who decides."""
        values = {
            "record": None,
            "may_decide": False,
            "kind": kind,
            "message": message,
        }
        if record is not None:
            # sudo: who decides by link may lack rights on quotas and departments
            record_sudo = record.sudo()
            files = record_sudo._own_files()
            files.generate_access_token()
            values.update(
                record=record_sudo,
                user=record.env.user,
                facts=record_sudo._facts(),
                files=files,
                token=token,
                may_decide=record.sudo().may_decide,
            )
        return request.render("prepaid_energy.approval_page", values, headers=HEADERS)
