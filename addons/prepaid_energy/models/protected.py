"""Values that only the product itself writes: no form, no import, no RPC call."""

from odoo.exceptions import UserError


def refuse(records, vals, names, message):
    """Raise UserError where ``vals`` holds one of ``names`` outside sudo mode.

    :param str message: with ``%s`` for the names.
    """
    wrong = sorted(set(names) & {*vals})
    if wrong and not records.env.su:
        raise UserError(message % ", ".join(wrong))


def without_defaults(records, names):
    """``records`` without ``default_<name>`` in the context.

    A caller over RPC chooses the context, and a default would fill what is missing in
    the values that :func:`refuse` has looked at.
    """
    unwanted = {f"default_{name}" for name in names}
    context = records.env.context
    if not unwanted & {*context}:
        return records
    kept = {key: value for key, value in context.items() if key not in unwanted}
    return records.with_context(kept)  # pylint: disable=context-overridden
