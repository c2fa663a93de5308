/** The set-up's checklist: what is done, what is next, and the readings as they come. */
import {Component, onMounted, onWillStart, onWillUnmount, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardActionServiceProps} from "@web/webclient/actions/action_service";
import {useService} from "@web/core/utils/hooks";

const SECONDS = 4;

export class EnergySetup extends Component {
    static template = "prepaid_energy.Setup";
    static props = {...standardActionServiceProps};

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({steps: [], next: false, arrived: null, company: ""});
        onWillStart(() => this.load());
        onMounted(() => this.showNext());
        const timer = setInterval(() => this.look(), SECONDS * 1000);
        onWillUnmount(() => clearInterval(timer));
    }

    async load() {
        Object.assign(this.state, await this.orm.call("energy.setup", "checklist", []));
    }

    /** What comes next may be below the screen's end. */
    showNext() {
        const next = document.querySelector(`li[data-step='${this.state.next}']`);
        next?.scrollIntoView({block: "nearest"});
    }

    /** Look again, silently: an absent server is no reason for a dialogue. */
    async look() {
        if (document.hidden) {
            return;
        }
        const silent = this.orm.silent;
        await silent
            .call("energy.setup", "checklist", [])
            .then((found) => Object.assign(this.state, found))
            .catch(() => null);
    }

    get doneCount() {
        return this.state.steps.filter((step) => step.done).length;
    }

    get percent() {
        return (100 * this.doneCount) / (this.state.steps.length || 1);
    }

    ago(seconds) {
        if (seconds < 90) {
            return _t("%s s ago", seconds);
        }
        return seconds < 5400
            ? _t("%s min ago", Math.round(seconds / 60))
            : _t("%s h ago", Math.round(seconds / 3600));
    }

    async open(key) {
        const action = await this.orm.call("energy.setup", "open_step", [
            key,
            Intl.DateTimeFormat().resolvedOptions().timeZone,
        ]);
        if (action) {
            const onClose = () => this.load().then(() => this.showNext());
            await this.action.doAction(action, {onClose});
        }
        await this.load();
    }

    async show(key) {
        await this.action.doAction(
            await this.orm.call("energy.setup", "open_records", [key])
        );
    }
}

registry.category("actions").add("energy_setup", EnergySetup);
