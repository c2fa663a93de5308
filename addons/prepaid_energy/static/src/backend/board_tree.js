/**
 * The tree of a site as the live board shows it: no OWL, no DOM, no clock of its own.
 *
 * How to use: `load(snapshot)` once, `apply(changes)` for what came later, `settle(now)`
 * after either and from time to time, since values grow old; then `rows()`.
 */

const PROBLEMS = ["off", "locked", "tripped", "moving", "unknown"];

/** What one may look for; a point can be several of these. */
export const FILTERS = [
    "alarm",
    "off",
    "locked",
    "tripped",
    "moving",
    "dark",
    "silent",
    "low",
    "cut",
];
const SMALL = 40; // so many points are shown at once, opened

export class BoardTree {
    constructor() {
        this.nodes = new Map();
        this.roots = [];
        this.opened = new Set();
        this.collapsed = new Set();
        this.focus = null;
        this.search = "";
        this.filter = null;
        this.alarms = [];
        this.losses = {};
    }

    // ------------------------------------------------------------------ what comes in

    load(snapshot) {
        const first = !this.nodes.size;
        this.columns = snapshot.columns;
        this.meterColumns = snapshot.meter;
        this.walletColumns = snapshot.wallet;
        this.fresh = snapshot.fresh;
        this.silent = snapshot.silent;
        this.losses = snapshot.losses;
        this.takeHour(snapshot);
        this.nodes = new Map();
        this.apply(snapshot);
        if (first && this.nodes.size <= SMALL) {
            this.openAll();
        }
    }

    /**
     * Take rows that changed, in place.
     *
     * @returns {boolean} whether the tree is still that of the server; if not, load it.
     */
    apply({rows, alarms, count, meters = [], wallets = []}) {
        let moved = false;
        for (const row of rows) {
            const values = named(this.columns, row);
            const node = this.nodes.get(values.id);
            if (!values.active) {
                moved = this.nodes.delete(values.id) || moved;
            } else if (node) {
                moved ||= node.parent !== values.parent || node.name !== values.name;
                Object.assign(node, values);
            } else {
                moved = true;
                this.nodes.set(values.id, values);
            }
        }
        for (const row of meters) {
            const values = named(this.meterColumns, row);
            Object.assign(this.nodes.get(values.id) || {}, values);
        }
        const byWallet = new Map(
            wallets.map((row) => [row[0], named(this.walletColumns, row)])
        );
        for (const node of byWallet.size ? this.nodes.values() : []) {
            Object.assign(node, byWallet.get(node.wallet_id));
        }
        if (moved) {
            this.grow();
        }
        this.alarms = alarms || this.alarms;
        return this.nodes.size === count;
    }

    /** Take what the meters counted in one and the same hour. */
    takeHour({hour, until}) {
        this.hour = hour;
        this.hourEnd = until;
    }

    /** Hang the nodes below each other: a feeder's own loads before its feeders. */
    grow() {
        const nodes = [...this.nodes.values()];
        const collator = new Intl.Collator(undefined, {numeric: true});
        nodes.forEach((node) => (node.children = []));
        for (const node of nodes) {
            this.nodes.get(node.parent)?.children.push(node);
        }
        this.roots = nodes.filter((node) => !this.nodes.has(node.parent));
        const order = (a, b) =>
            Boolean(a.children.length) - Boolean(b.children.length) ||
            collator.compare(a.name, b.name);
        [this.roots, ...nodes.map((node) => node.children)].forEach((list) =>
            list.sort(order)
        );
        if (!this.nodes.has(this.focus)) {
            this.focus = null;
        }
    }

    // ------------------------------------------------------------ what follows from it

    /**
     * Work out power, losses, states and counts at a moment.
     *
     * @param {number} now epoch seconds by the server's clock
     */
    settle(now) {
        this.counts = Object.fromEntries(FILTERS.map((name) => [name, 0]));
        const byPoint = {};
        for (const alarm of this.alarms) {
            (byPoint[alarm.point] ||= []).push(alarm);
        }
        const walk = (node, dark) => {
            node.alarms = byPoint[node.id] || [];
            node.dark = dark;
            node.quiet = Boolean(
                node.serial && !(node.heard_at && now - node.heard_at <= this.silent)
            );
            const isNew = node.power_at && now - node.power_at <= this.fresh;
            node.measured = node.serial && isNew ? node.power : null;
            const off = node.has_relay && node.relay === "open";
            node.below = {points: 0, alarms: 0, problems: 0};
            for (const child of node.children) {
                walk(child, dark || off);
                node.below.points += 1 + child.below.points;
                node.below.alarms += child.alarms.length + child.below.alarms;
                node.below.problems += child.below.problems + Number(isProblem(child));
            }
            const parts = this.parts(node);
            node.now = node.serial ? node.measured : this.sum(parts);
            node.loss = this.loss(node, parts);
            node.kinds = this.kinds(node);
            node.kinds.forEach((name) => this.counts[name]++);
        };
        this.roots.forEach((node) => walk(node, false));
        this.mark();
    }

    /** The nearest points below that have a meter for the same commodity. */
    parts(node) {
        return node.children
            .filter((child) => child.commodity === node.commodity)
            .flatMap((child) => (child.serial ? [child] : this.parts(child)));
    }

    /** The power of all, or null where one is not known. */
    sum(nodes) {
        return nodes.length && nodes.every((node) => node.measured !== null)
            ? nodes.reduce((sum, node) => sum + node.measured, 0)
            : null;
    }

    /**
     * Counted less counted below, in one and the same hour; missing data is no loss.
     * The powers were measured at different moments: they cannot be compared.
     */
    loss(node, parts) {
        if (!node.serial || !parts.length) {
            return null;
        }
        const unknown = [node, ...parts].filter((part) => !(part.id in this.hour));
        if (unknown.length) {
            return {unknown};
        }
        const energy = this.hour[node.id];
        const kwh = parts.reduce((rest, part) => rest - this.hour[part.id], energy);
        const percent = energy ? (100 * kwh) / energy : 0;
        const [fixed, share, load] = node.technical || [0, 0, 0];
        const expected = fixed + (share * energy) / 100 + load * (energy / 100) ** 2;
        const unexplained = energy ? (100 * (kwh - expected)) / energy : 0;
        const high = node.loss_limit > 0 && unexplained > node.loss_limit;
        return {kwh, percent, unexplained, high};
    }

    kinds(node) {
        const is = {
            alarm: node.alarms.length,
            dark: node.dark,
            silent: node.quiet,
            low: node.wallet && node.level === "low",
            cut: node.wallet && node.level === "cut",
            [node.state]: true,
        };
        return FILTERS.filter((name) => is[name]);
    }

    // --------------------------------------------------------------- what is looked at

    /** Note which points match search and filter, and which feed one that does. */
    mark() {
        const words = this.search.toLowerCase().split(/\s+/).filter(Boolean);
        this.searching = Boolean(words.length || this.filter);
        const matches = (node) => {
            const text = `${node.name} ${node.wallet || ""} ${node.serial || ""}`;
            return (
                words.every((word) => text.toLowerCase().includes(word)) &&
                (!this.filter || node.kinds.includes(this.filter))
            );
        };
        const walk = (node) => {
            node.hit = this.searching && matches(node);
            node.shown = node.hit;
            for (const child of node.children) {
                node.shown = walk(child) || node.shown;
            }
            return node.shown;
        };
        this.roots.forEach(walk);
    }

    isOpen(node) {
        const hasLoads = node.children.some((child) => !child.children.length);
        return hasLoads ? this.opened.has(node.id) : !this.collapsed.has(node.id);
    }

    /** The rows from top to bottom: {node, depth}. */
    rows() {
        const rows = [];
        const walk = (node, depth) => {
            if (this.searching && !node.shown) {
                return;
            }
            rows.push({node, depth});
            const open = this.isOpen(node);
            for (const child of node.children) {
                if (
                    this.searching ||
                    open ||
                    (child.children.length && !this.shut(node))
                ) {
                    walk(child, depth + 1);
                }
            }
        };
        const top = this.focus ? [this.nodes.get(this.focus)] : this.roots;
        top.forEach((node) => walk(node, 0));
        return rows;
    }

    /** Whether a feeder hides the feeders below as well. */
    shut(node) {
        return this.collapsed.has(node.id);
    }

    /** One click on a feeder: its loads appear; one more: they go. */
    toggle(node) {
        const set = node.children.some((child) => !child.children.length)
            ? this.opened
            : this.collapsed;
        if (!set.delete(node.id)) {
            set.add(node.id);
        }
    }

    openAll() {
        this.collapsed.clear();
        this.opened = new Set(this.nodes.keys());
    }

    closeAll() {
        this.collapsed.clear();
        this.opened.clear();
    }

    /** Open all that feeds a point, so that its row is there. */
    reveal(node) {
        this.search = "";
        this.filter = null;
        this.focus = null;
        this.mark();
        for (const feeder of this.path(node)) {
            this.collapsed.delete(feeder.id);
            this.opened.add(feeder.id);
        }
    }

    /** What feeds a point, from the top. */
    path(node) {
        const path = [];
        let above = this.nodes.get(node.parent);
        while (above) {
            path.unshift(above);
            above = this.nodes.get(above.parent);
        }
        return path;
    }

    /** The points at the top of the site, by whether their power is known. */
    total() {
        const electric = this.roots.filter((node) => node.commodity === "electricity");
        const metered = electric.flatMap((node) =>
            node.serial ? [node] : this.parts(node)
        );
        const isKnown = (node) => node.measured !== null;
        return {
            known: metered.filter(isKnown),
            unknown: metered.filter((node) => !isKnown(node)),
        };
    }
}

function named(columns, row) {
    return Object.fromEntries(columns.map((name, i) => [name, row[i]]));
}

export function isProblem(node) {
    return PROBLEMS.includes(node.state);
}
