"""The utility's bill against own meters: what was bought, delivered and lost.

``balance.py`` walks the feeders' sub-meters, ``coverage.py`` names what the readings do
not say, ``variance.py`` splits the difference between bill and meters.
"""

from .balance import Balance
from .variance import Purchase, split
