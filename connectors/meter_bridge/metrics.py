"""What ``/metrics`` says, for Prometheus.

Counters are counted where things happen; what is a state (how much waits, who
answered when) is looked up when Prometheus asks. There is no label a meter: ten
thousand meters are not ten thousand series.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"meter_bridge_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"meter_bridge_{name}", text, labels, registry=REGISTRY)


READINGS_COMMITTED = _counter(
    "readings_committed", "Readings that are safe on the disk"
)
READINGS_DELIVERED = _counter(
    "readings_delivered", "Readings that the ERP accounted for", "as"
)
BATCHES = _counter("batches", "Batches sent to the ERP", "outcome")
POLLS = _counter("polls", "Reads of meters", "line", "result")
MQTT = _counter("mqtt", "Messages of a broker, and what became of some", "broker", "as")
COMMANDS = _counter("commands", "Commands of the ERP that ended", "kind", "outcome")
OUTBOX_ERRORS = _counter("outbox_errors", "Writes that the disk refused")
CLOCK_STEPS = _counter("clock_steps", "Steps of the clock", "against")
ERP_SECONDS = Histogram(
    "meter_bridge_erp_seconds",
    "Time of a call of the ERP",
    ["method"],
    registry=REGISTRY,
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
OUTBOX_ROWS = _gauge("outbox_rows", "Rows that wait for the ERP", "kind")
OUTBOX_AGE = _gauge("outbox_oldest_seconds", "Age of the oldest waiting reading")
DEAD_LETTERS = _gauge("dead_letters", "Rows that the ERP rejected")
BATCH_SIZE = _gauge("batch_size", "Rows in a full batch, as it is chosen now")
METERS = _gauge("meters", "Meters of a line", "line", "state")
ANSWER_AGE = _gauge(
    "last_answer_age_seconds", "Since a meter of the line answered", "line"
)
ERP_OK_AGE = _gauge("erp_ok_age_seconds", "Since the ERP answered a call")
HOLDER = _gauge("holder", "1 if this bridge reads and switches, 0 if it stands by")
