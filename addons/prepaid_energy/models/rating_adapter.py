"""TEMP flat."""
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

class TariffError(ValueError):
    pass

class Flat:
    def __init__(self, doc, tz):
        self.versions = [(v["valid_from_local"][:10], Decimal(v["energy_prices"]["*"]["*"][0]), 1 + sum((Decimal(a["rate"]) for a in v["adjustments"]), Decimal(0))) for v in doc["versions"]]
        self.tz = ZoneInfo(tz)

def compile_tariff(doc, tz):
    return Flat(doc, tz)

def rate_meter(tariff, meter):
    out = []
    last_at, last = meter.last_at, meter.last_register
    for at, reg in meter.accepted:
        if last is not None:
            a = last_at.replace(tzinfo=UTC); b = at.replace(tzinfo=UTC)
            total = Decimal(int((b - a).total_seconds())); kwh = reg - last; pos = a; done = Decimal(0)
            while pos < b:
                loc = pos.astimezone(tariff.tz)
                nxt = datetime.combine(loc.date() + timedelta(days=1), datetime.min.time(), tariff.tz).astimezone(UTC)
                end = min(nxt, b)
                upto = kwh if end == b else (kwh * Decimal(int((end - a).total_seconds())) / total).quantize(Decimal("1e-9"))
                i = max((i for i, v in enumerate(tariff.versions) if v[0] <= loc.date().isoformat()), default=None)
                part = upto - done; done = upto
                if i is not None:
                    _d, p, f = tariff.versions[i]
                    out.append(((loc.date(), i, "all", "all", 1), (part, part * p, part * p * f)))
                pos = end
        last_at, last = at, reg
    return out, {}
