/** The live board: a site's distribution tree with what happens in it now. */
import {BoardTree, FILTERS} from "./board_tree";
import {Component, onWillStart, onWillUnmount, useRef, useState} from "@odoo/owl";
import {ConfirmationDialog} from "@web/core/confirmation_dialog/confirmation_dialog";
import {_t} from "@web/core/l10n/translation";
import {formatCurrency} from "@web/core/currency";
import {formatFloat} from "@web/core/utils/numbers";
import {registry} from "@web/core/registry";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {useService} from "@web/core/utils/hooks";
import {useVirtualGrid} from "@web/core/virtual_grid_hook";

const {DateTime} = luxon;
const ROW = 40; // pixels, as in the style sheet
const PAUSE = 2000; // between two fetches, at least
const TRAIL = 2500; // the server tells once in two seconds: look once more after that
const POLL = 15000; // what no message tells, and where no message comes through
const HOUR = 60000; // what was counted in the last hour: so often
const RELOAD = 300000; // losses by the hour, and whatever was missed
const MOST_ALARMS = 50; // in the list
const SITE = "prepaid_energy.board_site";

// With named values Odoo's translation leaves the doubled sign as it is written.
const oneSign = (text) => String(text).replaceAll("%%", "%");

const STATES = {
    on: {icon: "fa-check-circle text-success", text: _t("On")},
    off: {icon: "fa-power-off text-danger", text: _t("Off")},
    moving: {icon: "fa-refresh text-warning", text: _t("Switching")},
    locked: {icon: "fa-lock text-danger", text: _t("Locked out")},
    tripped: {icon: "fa-bolt text-danger", text: _t("Tripped")},
    unknown: {icon: "fa-question-circle text-muted", text: _t("Unknown")},
    none: {icon: "fa-circle-o text-muted", text: _t("No relay")},
};
const DARK = {icon: "fa-moon-o text-danger", text: _t("No supply: feeder is off")};
const LEVELS = {
    normal: {icon: "fa-check text-success", text: _t("Enough")},
    low: {icon: "fa-exclamation-triangle text-warning", text: _t("Low")},
    cut: {icon: "fa-ban text-danger", text: _t("Used up")},
    // a policy may let a balance be below zero and find nothing wrong with it
    debt: {icon: "fa-minus-circle text-warning", text: _t("Below zero")},
};
const FILTER_TEXTS = {
    alarm: _t("Alarms"),
    off: _t("Off"),
    locked: _t("Locked out"),
    tripped: _t("Tripped"),
    moving: _t("Switching"),
    dark: _t("Feeder off"),
    silent: _t("Silent"),
    low: _t("Low balance"),
    cut: _t("Used up"),
};

export class LiveBoard extends Component {
    static template = "prepaid_energy.LiveBoard";
    static props = {...standardActionServiceProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.dialog = useService("dialog");
        this.notification = useService("notification");
        this.bus = useState(useService("bus_service"));
        this.tree = new BoardTree();
        this.rows = [];
        this.state = useState({site: null, selected: null, why: "", lost: false});
        this.body = useRef("body");
        this.grid = useVirtualGrid({scrollableRef: this.body, bufferCoef: 0.3});
        this.told = ({site}) => site === this.state.site && this.onTold();
        this.bus.subscribe("energy_board/changed", this.told);
        this.onSeen = () => document.hidden || this.plan(0);
        document.addEventListener("visibilitychange", this.onSeen);
        onWillStart(() => this.start());
        onWillUnmount(() => {
            clearTimeout(this.timer);
            this.stopped = true;
            this.bus.unsubscribe("energy_board/changed", this.told);
            this.bus.deleteChannel(`energy_board_${this.state.site}`);
            document.removeEventListener("visibilitychange", this.onSeen);
        });
    }

    async start() {
        this.sites = await this.orm.call("energy.site", "board_sites");
        const {context = {}, params = {}} = this.props.action;
        const wanted = [
            params.site_id,
            context.active_model === "energy.site" && context.active_id,
            Number(localStorage.getItem(SITE)),
            this.sites[0]?.id,
        ];
        const site = wanted.find((id) => this.sites.some((known) => known.id === id));
        if (site) {
            await this.open(site);
        }
    }

    async open(site) {
        if (this.state.site) {
            this.bus.deleteChannel(`energy_board_${this.state.site}`);
        }
        this.tree = new BoardTree();
        this.state.site = site;
        this.state.selected = null;
        localStorage.setItem(SITE, site);
        this.bus.addChannel(`energy_board_${site}`);
        await this.load(site);
        this.plan(POLL);
    }

    onChangeSite(ev) {
        this.open(Number(ev.target.value));
    }

    // ------------------------------------------------------------------------- the data

    async load(site) {
        const call = this.orm.silent.call("energy.site", "board_snapshot", [[site]]);
        const snapshot = await call;
        if (site !== this.state.site) {
            return;
        }
        this.loadedAt = this.hourAt = performance.now();
        this.mayAct = snapshot.may_act;
        this.tree.load(snapshot);
        this.take(snapshot);
    }

    async fetch() {
        const {site} = this.state;
        if (performance.now() - this.loadedAt > RELOAD) {
            return this.load(site);
        }
        const changes = await this.orm.silent.call("energy.site", "board_changes", [
            [site],
            this.since,
            this.known,
        ]);
        if (site !== this.state.site) {
            return;
        }
        if (!this.tree.apply(changes)) {
            return this.load(site);
        }
        if (performance.now() - this.hourAt > HOUR) {
            this.hourAt = performance.now();
            const call = this.orm.silent.call("energy.site", "board_hour", [[site]]);
            const hour = await call;
            if (site !== this.state.site) {
                return;
            }
            this.tree.takeHour(hour);
        }
        this.take(changes);
        const told = [...changes.rows, ...changes.meters].map((row) => row[0]);
        if (told.includes(this.state.selected)) {
            this.explain();
        }
    }

    take({since, known, now, stopped}) {
        this.since = since;
        this.known = known;
        this.ahead = now - Date.now() / 1000; // the server's clock and ours
        this.noCutOffs = stopped;
        this.newest = DateTime.now();
        this.show();
    }

    /** Work out and show what is known, which also grows old. */
    show() {
        this.tree.settle(Date.now() / 1000 + this.ahead);
        this.alarms = this.alarmLines();
        this.layOut();
    }

    layOut() {
        this.rows = this.tree.rows();
        this.grid.setRowsHeights(this.rows.map(() => ROW));
        this.render();
    }

    /** Fetch after a delay, but not more often than once in PAUSE. */
    plan(delay) {
        const earliest = (this.fetchedAt || -PAUSE) + PAUSE;
        const at = Math.max(performance.now() + delay, earliest);
        if (this.stopped || this.busy || (this.timer && this.due <= at)) {
            this.again ||= this.busy && delay < POLL;
            return;
        }
        clearTimeout(this.timer);
        this.due = at;
        this.timer = setTimeout(() => this.refresh(), at - performance.now());
    }

    onTold() {
        this.trail = true;
        this.plan(0);
    }

    async refresh() {
        this.timer = null;
        if (document.hidden || !this.state.site) {
            return this.plan(POLL);
        }
        this.busy = true;
        this.fetchedAt = performance.now();
        try {
            await this.fetch();
            this.state.lost = false;
        } catch (error) {
            this.state.lost = error.data?.message || _t("The server does not answer.");
            if (!this.stopped) {
                this.show();
            }
        }
        this.busy = false;
        const soon = this.trail || this.again;
        this.trail = this.again = false;
        this.plan(soon ? TRAIL : POLL);
    }

    // ------------------------------------------------------------------- what is looked at

    get lines() {
        const [first = 0, last = -1] = this.grid.rowsIndexes || [];
        return this.rows
            .slice(first, last + 1)
            .map((row, i) => this.line(row, first + i));
    }

    get height() {
        return this.rows.length * ROW;
    }

    get filters() {
        return FILTERS.filter(
            (name) => this.tree.counts[name] || name === this.tree.filter
        ).map((name) => ({
            name,
            text: FILTER_TEXTS[name],
            count: this.tree.counts[name],
        }));
    }

    get node() {
        return this.tree.nodes.get(this.state.selected);
    }

    get isLive() {
        return this.bus.workerState === "CONNECTED";
    }

    /** All texts of one row. */
    line({node, depth}, index) {
        const feeder = Boolean(node.children.length);
        return {
            node,
            feeder,
            open: feeder && (this.tree.isOpen(node) || this.tree.searching),
            style: `top: ${index * ROW}px; --depth: ${depth}`,
            level: depth + 1,
            supply: this.supply(node),
            power: this.power(node),
            load: this.loadOf(node),
            balance: this.balance(node),
            loss: this.loss(node),
            selected: node.id === this.state.selected,
        };
    }

    supply(node) {
        return node.dark ? DARK : STATES[node.state];
    }

    power(node) {
        return node.now === null ? "–" : `${this.kw(node.now)} kW`;
    }

    /** Per cent of the connection's maximum, for the bar. */
    loadOf(node) {
        if (!node.max_power || node.now === null) {
            return null;
        }
        return Math.min(
            100,
            Math.max(0, Math.round((100 * node.now) / node.max_power))
        );
    }

    balance(node) {
        if (!node.wallet) {
            return null;
        }
        const level = node.level === "normal" && node.balance < 0 ? "debt" : node.level;
        const amount = formatCurrency(node.balance, node.currency);
        return {...LEVELS[level], amount};
    }

    loss(node) {
        const {loss} = node;
        if (!loss) {
            return null;
        }
        if (loss.unknown) {
            const names = loss.unknown.slice(0, 3).map((part) => part.name);
            const more = loss.unknown.length - names.length;
            const title = more
                ? _t("Not known of: %(names)s and %(more)s more", {
                      names: names.join("; "),
                      more,
                  })
                : _t("Not known of: %s", names.join("; "));
            return {text: _t("unknown"), title};
        }
        const one = (value) => formatFloat(value, {digits: [0, 1]});
        const text = `${one(loss.percent)} % · ${this.kw(loss.kwh)} kWh`;
        const title = oneSign(
            _t(
                "Counted, less counted below, in the hour until %(time)s; %(share)s %% of what was counted is unexplained",
                {time: this.hourEnd, share: one(loss.unexplained)}
            )
        );
        return {text, high: loss.high, title};
    }

    get hourEnd() {
        const at = DateTime.fromSeconds(this.tree.hourEnd - this.ahead);
        return at.toFormat("HH:mm");
    }

    kw(value) {
        return formatFloat(value, {digits: [0, Math.abs(value) < 100 ? 2 : 1]});
    }

    /** Losses of hours that are over, of a feeder: [{day, text}]. */
    get lossDays() {
        const days = this.tree.losses[this.state.selected] || {};
        const names = {today: _t("Lost today"), yesterday: _t("Lost yesterday")};
        return Object.keys(names)
            .filter((day) => days[day])
            .map((day) => ({name: names[day], text: this.lossOfDay(days[day])}));
    }

    lossOfDay({loss, unexplained, percent, hours, known}) {
        if (!known) {
            return _t("unknown: data is missing in %s hours", hours);
        }
        const values = {
            loss: this.kw(loss),
            percent: formatFloat(percent, {digits: [0, 1]}),
            rest: this.kw(unexplained),
            known,
            hours,
        };
        return oneSign(
            _t(
                "%(loss)s kWh (%(percent)s %%), %(rest)s of it unexplained, in %(known)s of %(hours)s hours",
                values
            )
        );
    }

    get total() {
        const {known, unknown} = this.tree.total();
        const power = `${this.kw(this.tree.sum(known) || 0)} kW`;
        return unknown.length
            ? _t("%(power)s and %(count)s not known", {power, count: unknown.length})
            : power;
    }

    get siteName() {
        return this.sites.find((site) => site.id === this.state.site)?.name;
    }

    get way() {
        const focus = this.tree.nodes.get(this.tree.focus);
        return focus ? [...this.tree.path(focus), focus] : [];
    }

    ago(seconds) {
        if (!seconds) {
            return _t("never");
        }
        return DateTime.fromSeconds(seconds - this.ahead).toRelative() || "";
    }

    /** The newest alarms in words; more than one can take in are a number. */
    alarmLines() {
        return this.tree.alarms
            .slice(-MOST_ALARMS)
            .reverse()
            .map(({id, point, text, place, at}) => ({
                id,
                text,
                node: this.tree.nodes.get(point),
                place: place || this.tree.nodes.get(point)?.name || "",
                ago: this.ago(at),
            }));
    }

    // ------------------------------------------------------------------------ the mouse

    onRow(node) {
        if (node.children.length && !this.tree.searching) {
            this.tree.toggle(node);
        }
        this.select(node);
        this.layOut();
    }

    onKey(ev, {node, feeder, open}) {
        const row = ev.currentTarget;
        if (ev.key === "ArrowDown") {
            row.nextElementSibling?.focus();
        } else if (ev.key === "ArrowUp") {
            row.previousElementSibling?.focus();
        } else if (ev.key === "Enter" || ev.key === " ") {
            this.onRow(node);
        } else if (feeder && ev.key === (open ? "ArrowLeft" : "ArrowRight")) {
            this.tree.toggle(node);
            this.layOut();
        } else {
            return;
        }
        ev.preventDefault();
    }

    onSearch(ev) {
        this.tree.search = ev.target.value;
        this.found();
    }

    onFilter(name) {
        this.tree.filter = this.tree.filter === name ? null : name;
        this.found();
    }

    found() {
        this.tree.mark();
        this.body.el.scrollTop = 0;
        this.layOut();
    }

    onOpenAll() {
        this.tree.openAll();
        this.layOut();
    }

    onCloseAll() {
        this.tree.closeAll();
        this.layOut();
    }

    onFocus(node) {
        this.tree.focus = node?.id || null;
        if (node) {
            this.tree.opened.add(node.id);
        }
        this.body.el.scrollTop = 0;
        this.layOut();
    }

    /** Show an alarm's point in the tree. */
    onAlarm({node}) {
        this.tree.reveal(node);
        this.select(node);
        this.layOut();
        const index = this.rows.findIndex((row) => row.node === node);
        this.body.el.scrollTop = Math.max(0, (index - 3) * ROW);
    }

    onClose() {
        this.state.selected = null;
    }

    async select(node) {
        if (this.state.selected !== node.id) {
            this.state.why = "";
        }
        this.state.selected = node.id;
        await this.explain();
    }

    /** Why the relay is wanted as it is: a sentence of the server. */
    async explain() {
        const id = this.state.selected;
        const call = this.orm.silent.read("energy.service.point", [id], ["why"]);
        const [{why}] = await call;
        if (id === this.state.selected) {
            this.state.why = why;
        }
    }

    // ------------------------------------------------------------------------ the buttons

    /** What may be done with the selected point; the server decides again. */
    get buttons() {
        const node = this.node;
        if (!this.mayAct || !node) {
            return [];
        }
        const below = node.below.points;
        const dark = below
            ? _t(
                  "Open the relay of %(name)s now? It and %(count)s points below go dark.",
                  {
                      name: node.name,
                      count: below,
                  }
              )
            : _t("Open the relay of %s now? What it feeds goes dark.", node.name);
        const free = !node.locked_out;
        return [
            {
                method: "action_switch_off",
                text: _t("Cut Off"),
                icon: "fa-power-off",
                danger: true,
                when: node.has_relay && !node.kept_on && !node.switched_off && free,
                ask: dark,
            },
            {
                method: "action_switch_on",
                text: _t("Restore"),
                icon: "fa-play",
                when: node.switched_off,
                ask: _t("Close the relay again, if wallet, lock-out and trip allow?"),
            },
            {
                method: "action_confirm_on_site",
                text: _t("Confirm On Site"),
                icon: "fa-check",
                when: node.tripped,
                wizard: true,
            },
            {
                method: "action_lock_out",
                text: _t("Lock Out"),
                icon: "fa-lock",
                danger: true,
                wizard: true,
                when: free,
            },
            {
                method: "action_release",
                text: _t("Release Lock-out"),
                icon: "fa-unlock",
                when: !free,
                ask: _t("Is the work done and the lock removed on site?"),
            },
            {
                method: "action_read_now",
                text: _t("Read Now"),
                icon: "fa-tachometer",
                when: node.serial,
            },
        ].filter((button) => button.when);
    }

    onButton(button) {
        const run = () => this.run(button, this.node);
        if (!button.ask) {
            return run();
        }
        this.dialog.add(ConfirmationDialog, {
            title: `${button.text}: ${this.node.name}`,
            body: button.ask,
            confirmLabel: button.text,
            confirmClass: button.danger ? "btn-danger" : "btn-primary",
            confirm: run,
            cancel: () => undefined,
        });
    }

    async run({method, text, wizard}, node) {
        await this.action.doActionButton({
            type: "object",
            name: method,
            resModel: "energy.service.point",
            resId: node.id,
            resIds: [node.id],
            context: {},
            onClose: () => this.plan(0),
        });
        if (!wizard) {
            this.notification.add(_t("%(what)s: ordered.", {what: text}), {
                title: node.name,
                type: "success",
            });
        }
    }

    onForm(node) {
        this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "energy.service.point",
            res_id: node.id,
            views: [[false, "form"]],
        });
    }
}

registry.category("actions").add("energy_live_board", LiveBoard);
