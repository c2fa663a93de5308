"""One rate of the Utility Rate Database as published: its keys, values and report."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

try:
    from ..rating.parse import printable, shown
except ImportError:  # the packages are top-level ones where there is no Odoo
    from rating.parse import printable, shown

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DECIMALS = 10  # what a price in Odoo keeps
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)

# The bulk download's keys in lower case, where they differ from those of the API.
ALIASES = dict(
    pair.split("=")
    for pair in """
    ratename=name utilityname=utility effectivedate=startdate
    energyratestrux=energyratestructure energyweekdaysched=energyweekdayschedule
    energyweekendsched=energyweekendschedule demandratestrux=demandratestructure
    demandweekdaysched=demandweekdayschedule demandweekendsched=demandweekendschedule
    demandrateunits=demandrateunit flatdemandstrux=flatdemandstructure
    flatdemandunits=flatdemandunit coincidentratestrux=coincidentratestructure
    demandreactpwrcharge=demandreactivepowercharge energykeyvals=energyattrs
    demandkeyvals=demandattrs fixedkeyvals=fixedattrs
    """.split()
)
DESCRIPTIVE = set(
    "uri sector eiaid eia source sourceparent sourcereference approved is_default"
    " isdefault revisions version country supercedes supersedes latest_update"
    " phasewiring voltagecategory energytoulabels demandtoulabels demandlabels"
    " demandunits energyrateunits coincidentrateschedule coincidentsched"
    " coincidentrateunit coincidentrateunits states".split()
)
CONDITIONS = set(
    "peakkwcapacitymin peakkwcapacitymax peakkwcapacityhistory peakkwhusagemin"
    " peakkwhusagemax peakkwhusagehistory voltageminimum voltagemaximum demandmin"
    " demandmax demandhist energymin energymax energyhist".split()
)
LOST = {
    "fixedchargeeaaddl": "the fixed charge of every further meter",
    "annualmincharge": "the minimum charge of a year",
    "demandratchetpercentage": "the demand ratchet on earlier months",
    "lookbackpercent": "the demand ratchet on earlier months",
    "demandreactivepowercharge": "the charge for reactive power",
    "coincidentratestructure": "the charge for demand at the system's peak",
    "fueladjustmentsmonthly": "the monthly adjustment of the energy price",
    "usenetmetering": "net metering of what is fed in",
    "dgrules": "the rule for what is fed in",
    "energyattrs": "further terms of the energy price",
    "demandattrs": "further terms of the demand charge",
    "fixedattrs": "further terms of the fixed charge",
}


class UrdbError(ValueError):
    """Data that cannot be a rate; the message is "key: problem"."""

    def __init__(self, key: str, problem: str):
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class Source:
    """The fields of one published rate under their API names, and the report."""

    def __init__(self, item):
        if not isinstance(item, dict):
            raise UrdbError("rate", f"must be an object, not {shown(item)}")
        self.values, self.spelled, self.read = {}, {}, set()
        self.report: list[tuple[str, str]] = []
        for key, value in item.items():
            if not isinstance(key, str):
                raise UrdbError("rate", f"key {shown(key)} must be text")
            name = ALIASES.get(key.lower(), key.lower())
            if value is None:
                continue
            if name in self.values:
                self.note(key, f"The field was given as {self.key(name)} before.")
            else:
                self.values[name], self.spelled[name] = value, key

    def get(self, name: str):
        """The value of a field, or None; it counts as read."""
        self.read.add(name)
        return self.values.get(name)

    def key(self, name: str, *path) -> str:
        """A field as the data spells it, with a path of indices and keys."""
        steps = (f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
        return self.spelled.get(name, name) + "".join(steps)

    def note(self, key: str, text: str) -> None:
        """Report what is lost."""
        self.report.append((key, text))

    def text(self, name: str) -> str:
        """A text field without blanks around it, "" if there is none."""
        return self.words(self.get(name), self.key(name))

    def words(self, value, key: str) -> str:
        """A text value, "" for None."""
        if value is not None and not isinstance(value, str):
            raise UrdbError(key, f"must be text, not {shown(value)}")
        return printable(value or "")

    def number(self, value, key: str) -> Decimal:
        """A JSON number as an exact Decimal (None is zero)."""
        if value is None:
            return Decimal(0)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise UrdbError(key, f"must be a number, not {shown(value)}")
        result = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
        if not result.is_finite() or (result and result.adjusted() >= 14):
            raise UrdbError(key, f"{shown(value)} must be below 10^14 in size")
        if result and result.as_tuple().exponent < -DECIMALS:
            short = result.quantize(Decimal(1).scaleb(-DECIMALS), context=EXACT)
            if short != result:
                self.note(key, f"The number was rounded to {DECIMALS} decimals.")
            result = short
        return result if result else Decimal(0)

    def amount(self, name: str) -> Decimal:
        """A number field, 0 if there is none."""
        return self.number(self.get(name), self.key(name))

    def moment(self, name: str) -> str | None:
        """The UTC date of an instant: epoch seconds, ISO text, or `{"$date": ...}`."""
        value, key = self.get(name), self.key(name)
        if value is None:
            return None
        scale = 1000 if isinstance(value, dict) else 1
        value = value.get("$date") if isinstance(value, dict) else value
        try:
            if isinstance(value, str):
                at = datetime.fromisoformat(value.strip())
                at = at.astimezone(UTC) if at.tzinfo else at
            else:
                at = EPOCH + timedelta(seconds=int(self.number(value, key) // scale))
        except (ValueError, OverflowError):
            raise UrdbError(key, f"{shown(value)} is no date") from None
        if not 1900 <= at.year <= 2199:
            raise UrdbError(key, f"{shown(value)} is outside the years 1900 to 2199")
        return f"{at:%Y-%m-%d}"


def structure(source: Source, field: str) -> list:
    """The tiers of each period, in both published shapes."""
    value = source.get(field)
    value = [] if value is None else value
    if not isinstance(value, list):
        raise UrdbError(source.key(field), f"must be a list, not {shown(value)}")
    periods = []
    for index, period in enumerate(value):
        key = source.key(field, index)
        if isinstance(period, dict):
            inner = [v for k, v in period.items() if str(k).lower().endswith("tiers")]
            period = inner[0] if inner else None if period else []
        if not isinstance(period, list) or not all(isinstance(t, dict) for t in period):
            raise UrdbError(key, f"must be a list of tiers, not {shown(period)}")
        periods.append(period)
    return periods


def read_row(source: Source, value, length: int, count: int, field: str, *path) -> list:
    """A row of period indices, each below `count`."""
    key = source.key(field, *path)
    if not isinstance(value, list) or len(value) != length:
        raise UrdbError(key, f"must be a list of {length} values")
    for index, period in enumerate(value):
        here = source.key(field, *path, index)
        if isinstance(period, bool) or not isinstance(period, int) or period < 0:
            raise UrdbError(here, f"must be a period's index, not {shown(period)}")
        if period >= max(count, 1):
            raise UrdbError(here, f"there is no period of index {shown(period)}")
    return value


def matrix(source: Source, field: str, count: int) -> list | None:
    value = source.get(field)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 12:
        raise UrdbError(source.key(field), "must be a list of 12 months")
    return [read_row(source, row, 24, count, field, i) for i, row in enumerate(value)]


def means(value) -> bool:
    """Whether a value holds more than zeros, blanks, nulls and falsehoods."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, Decimal):
            if item.is_nan() or item:
                return True
        elif item.strip() if isinstance(item, str) else item:
            return True
    return False


def leftovers(source: Source) -> None:
    """Report every other field that may change the bill."""
    for name, value in source.values.items():
        if name in source.read or name in DESCRIPTIVE or not means(value):
            continue
        text = f"Not mapped: {LOST.get(name, 'this field')}, {shown(value)}."
        if isinstance(value, str) and name.endswith(("comments", "description")):
            text = f"Read the text: {printable(value)}"[:200]
        elif name == "servicetype":
            if isinstance(value, str) and value.lower() == "bundled":
                continue
            text = f"These are the prices of {shown(value)} only, not of the supply."
        elif name in CONDITIONS:
            text = f"Not checked: who may have the rate, {shown(value)}."
        source.note(source.key(name), text)
