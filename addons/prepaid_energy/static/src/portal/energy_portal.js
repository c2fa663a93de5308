/* The tenant's page stays true while it is open, and a chart opens in its place. */

import {Interaction} from "@web/public/interaction";
import {PaymentForm} from "@payment/interactions/payment_form";
import {patch} from "@web/core/utils/patch";
import {registry} from "@web/core/registry";

// Milliseconds between two looks at the balance. The server tells of what changes; then
// a look is only for what changes by the clock alone, such as a band that begins.
const TOLD = {calm: 300000, eager: 60000};
// Without a connection to the bus one has to ask; often while supply is missing.
const UNTOLD = {calm: 30000, eager: 5000};
const SOON = 4000; // after the page opens: what was on its way when it was made
const GATHER = 300; // several changes at once are fetched at once
const CONNECTED = "CONNECTED"; // of the bus's worker
const CHANGED = "energy_wallet/changed";
const NEWS = "prepaid_energy.wallet";
// The bus keeps what a browser has missed. Then the page itself says how it stands, and
// what happened hours ago, such as a cut that is over, is no news any more.
const NEWS_AGE = 3600000;

/**
 * An address in the language of the page: without it Odoo redirects to where it is.
 *
 * @param {String} path that begins with /my
 */
function inOurLanguage(path) {
    return window.location.pathname.split("/my/")[0] + path;
}

/** The balance, the outage and the relays, fetched anew when the server tells so. */
export class EnergyNow extends Interaction {
    static selector = "#o_energy_now";
    dynamicContent = {
        _document: {"t-on-visibilitychange": this.onVisible},
    };

    setup() {
        this.bus = this.services.bus_service;
        this.wallets = (this.el.dataset.wallets || "").split(",").filter(Boolean);
        this.onChanged = ({wallet}) => {
            if (this.wallets.includes(String(wallet))) {
                this.plan(GATHER);
            }
        };
        this.onWorker = ({detail}) => this.onState(detail);
    }

    start() {
        this.bus.subscribe(CHANGED, this.onChanged);
        this.bus.addEventListener("BUS:WORKER_STATE_UPDATED", this.onWorker);
        for (const wallet of this.wallets) {
            this.bus.addChannel(`energy_wallet_${wallet}`);
        }
        this.onState(this.bus.workerState);
        this.el.dataset.live = "1";
        this.plan(SOON);
    }

    destroy() {
        clearTimeout(this.timer);
        this.stop();
    }

    stop() {
        this.bus.unsubscribe(CHANGED, this.onChanged);
        this.bus.removeEventListener("BUS:WORKER_STATE_UPDATED", this.onWorker);
        for (const wallet of this.wallets) {
            this.bus.deleteChannel(`energy_wallet_${wallet}`);
        }
        this.wallets = [];
        this.stopped = true;
    }

    get pause() {
        const pause = this.told ? TOLD : UNTOLD;
        return this.el.querySelector("[data-eager]") ? pause.eager : pause.calm;
    }

    /**
     * The connection to the bus came or went: look at once at what was missed.
     *
     * @param {String} state of the bus's worker
     */
    onState(state) {
        const told = state === CONNECTED;
        if (told !== this.told) {
            this.told = told;
            this.el.dataset.told = told ? "1" : "";
            this.plan(told ? GATHER : this.pause);
        }
    }

    /**
     * Look after so many milliseconds, or earlier if that was planned already.
     *
     * @param {Number} pause
     */
    plan(pause) {
        const at = Date.now() + pause;
        if (this.stopped || document.hidden || (this.timer && this.at <= at)) {
            return;
        }
        clearTimeout(this.timer);
        this.at = at;
        this.timer = setTimeout(() => this.look(), pause);
    }

    onVisible() {
        if (document.hidden) {
            clearTimeout(this.timer);
            this.timer = null;
        } else {
            this.plan(0);
        }
    }

    async look() {
        this.timer = null;
        let answer;
        try {
            answer = await this.waitFor(
                fetch(inOurLanguage(this.el.dataset.url), {
                    headers: {Accept: "text/html"},
                })
            );
        } catch {
            return this.plan(this.pause); // no network: what is shown has its time
        }
        if (answer.status >= 500) {
            return this.plan(this.pause); // the server is busy, or starts anew
        }
        if (answer.redirected || !answer.ok) {
            return this.stop(); // logged out, or not ours any more
        }
        this.show(await this.waitFor(answer.text()));
        this.plan(this.pause);
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
            answer = await this.waitFor(fetch(inOurLanguage(link.dataset.use)));
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

/** The button of a top-up says what is paid, and with what. */
patch(PaymentForm.prototype, {
    _adaptSubmitButtonLabel(paymentMethodCode) {
        super._adaptSubmitButtonLabel(paymentMethodCode);
        const labels = this.el.closest("[data-pay-labels]")?.dataset.payLabels;
        const radio = this.el.querySelector('[name="o_payment_radio"]:checked');
        const button = this.el.querySelector('[name="o_payment_submit_button"]');
        if (!labels || !radio || !button) {
            return;
        }
        const {paymentOptionType, paymentOptionId} = radio.dataset;
        const key = paymentOptionType === "token" ? paymentOptionId : "";
        button.textContent = JSON.parse(labels)[key];
    },
});

/** What the tenant is told while a page of theirs is open, whichever it is. */
export class EnergyNews extends Interaction {
    static selector = ".o_energy_wallet";

    setup() {
        this.title = document.title;
        this.onNews = (news) => this.hear(news);
    }

    start() {
        this.services.bus_service.subscribe(NEWS, this.onNews);
        this.services.bus_service.start();
    }

    destroy() {
        this.services.bus_service.unsubscribe(NEWS, this.onNews);
    }

    /**
     * Say it with its time, unless it is old.
     *
     * @param {Object} news text, and at: when it was sent
     */
    hear({text, at}) {
        const sent = new Date(at);
        if (Date.now() - sent > NEWS_AGE) {
            return;
        }
        const lang = document.documentElement.lang || undefined;
        this.say(`${sent.toLocaleTimeString(lang, {timeStyle: "short"})} · ${text}`);
    }

    /**
     * Show it until it is closed, and mark the tab that is not looked at.
     *
     * @param {String} text
     */
    say(text) {
        this.services.notification.add(text, {type: "warning", sticky: true});
        if (document.hidden) {
            document.title = `● ${this.title}`;
            const seen = () => (document.title = this.title);
            document.addEventListener("visibilitychange", seen, {once: true});
        }
    }
}

registry.category("public.interactions").add("prepaid_energy.news", EnergyNews);
registry.category("public.interactions").add("prepaid_energy.now", EnergyNow);
registry.category("public.interactions").add("prepaid_energy.use", EnergyUse);
