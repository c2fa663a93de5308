/** A progress bar that moves while the record is "running", without a reload. */
import {
    ProgressBarField,
    progressBarField,
} from "@web/views/fields/progress_bar/progress_bar_field";
import {registry} from "@web/core/registry";
import {useEffect} from "@odoo/owl";

const SECONDS = 3;

export class LiveProgressField extends ProgressBarField {
    setup() {
        super.setup();
        useEffect(
            (running) => {
                if (!running) {
                    return;
                }
                const timer = setInterval(() => this.refresh(), SECONDS * 1000);
                return () => clearInterval(timer);
            },
            () => [this.props.record.data.state === "running"]
        );
    }

    /** Read the record again, unless somebody is editing it. */
    async refresh() {
        const record = this.props.record;
        if (!document.hidden && !(await record.isDirty())) {
            await record.load();
        }
    }
}

registry.category("fields").add("energy_live_progress", {
    ...progressBarField,
    component: LiveProgressField,
});
