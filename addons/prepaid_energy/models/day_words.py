"""Days as people write them: each language has its own order of day, month and year."""

from babel.dates import format_skeleton

from odoo.tools.misc import babel_locale_parse, get_lang

DAY = "MMMEd"  # Wed, Nov 25; 11月25日周三
MONTH = "yMMMM"  # November 2026; 2026年11月


def day_words(env, day, parts):
    """A day in the language of ``env``.

    :param str parts: :data:`DAY` or :data:`MONTH`.
    """
    return format_skeleton(parts, day, locale=babel_locale_parse(get_lang(env).code))
