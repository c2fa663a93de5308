/* The tenant's page stays true while it is open, and a chart opens in its place. */

import {Interaction} from "@web/public/interaction";
import {registry} from "@web/core/registry";

const CALM = 30000; // milliseconds between two looks at the balance
const EAGER = 5000; // while supply is missing: it may come back any moment

/** The balance, the outage and the relays, fetched anew while the page is seen. */
export class EnergyNow extends Interaction {
    static selector = "#o_energy_now";
    dynamicContent = {
        _document: {"t-on-visibilitychange": this.onVisible},
    };

    start() {
        this.el.dataset.live = "1";
        this.schedule();
    }

    destroy() {
        clearTimeout(this.timer);
    }

    get pause() {
        return this.el.querySelector("[data-eager]") ? EAGER : CALM;
    }

    schedule() {
        clearTimeout(this.timer);
        if (!document.hidden) {
            this.timer = setTimeout(() => this.look(), this.pause);
        }
    }

    onVisible() {
        if (document.hidden) {
            clearTimeout(this.timer);
        } else {
            this.look();
        }
    }

    async look() {
        clearTimeout(this.timer);
        let answer;
        try {
            answer = await this.waitFor(
                fetch(this.el.dataset.url, {headers: {Accept: "text/html"}})
            );
        } catch {
            return this.schedule(); // no network: what is shown has its time beside it
        }
        if (answer.status >= 500) {
            return this.schedule(); // the server is busy, or starts anew
        }
        if (answer.redirected || !answer.ok) {
            return; // logged out, or not ours any more
        }
        this.show(await this.waitFor(answer.text()));
        this.schedule();
    }

    /**
     * Put what the server rendered in place; say it only where the words changed.
     * A part in which somebody is just at work is left alone.
     *
     * @param {String} html of the parts, rendered by our own template
     */
    show(html) {
        const fresh = new DOMParser().parseFromString(html, "text/html");
        const said = this.el.querySelector("[role=status]");
        const news = fresh.querySelector("[role=status]");
        for (const part of fresh.querySelectorAll("[data-part]")) {
            const shown = this.el.querySelector(`[data-part="${part.dataset.part}"]`);
            if (!shown || shown.contains(document.activeElement)) {
                continue;
            }
            if (said && news && shown.contains(said)) {
                if (said.textContent.trim() !== news.textContent.trim()) {
                    said.replaceChildren(...news.cloneNode(true).childNodes);
                }
                news.replaceWith(said); // the same element, or no reader would speak
            }
            shown.replaceChildren(...part.childNodes);
        }
    }
}

/** Links of the chart replace the chart; without script they load the page. */
export class EnergyUse extends Interaction {
    static selector = "#o_energy_use";
    dynamicContent = {
        _root: {"t-on-click": this.onClick},
    };

    async onClick(ev) {
        const link = ev.target.closest("a[data-use]");
        if (!link || ev.ctrlKey || ev.metaKey || ev.shiftKey) {
            return;
        }
        ev.preventDefault();
        const id = link.id;
        let answer;
        try {
            answer = await this.waitFor(fetch(link.dataset.use));
        } catch {
            answer = {ok: false};
        }
        if (!answer.ok || answer.redirected) {
            window.location.assign(link.getAttribute("href"));
            return;
        }
        const html = await this.waitFor(answer.text());
        const open = this.el.querySelector("details")?.open;
        const fresh = new DOMParser().parseFromString(html, "text/html");
        this.el.replaceChildren(...fresh.body.childNodes);
        const details = this.el.querySelector("details");
        if (details && open) {
            details.open = true;
        }
        const same = id && this.el.querySelector(`[id="${id}"]`);
        (same || this.el.querySelector("h2")).focus();
    }
}

registry.category("public.interactions").add("prepaid_energy.now", EnergyNow);
registry.category("public.interactions").add("prepaid_energy.use", EnergyUse);
