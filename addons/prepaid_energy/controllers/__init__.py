from . import money, portal, statement
