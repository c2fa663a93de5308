from . import (
    approval,
    money,
    portal,
    portal_people,
    portal_topup,
    portal_use,
    portal_warnings,
    statement,
)
