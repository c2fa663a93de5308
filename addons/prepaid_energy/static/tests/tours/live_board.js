import {registry} from "@web/core/registry";
import {rpc} from "@web/core/network/rpc";

const line = (name, text = "") =>
    `.o_energy_board_line:contains(${name})${text && `:contains(${text})`}`;

/** The test hands over a batch, as a bridge does, when sites are asked for again. */
function signal() {
    const call = {model: "energy.site", method: "board_sites", args: [], kwargs: {}};
    return rpc("/web/dataset/call_kw/energy.site/board_sites", call);
}

registry.category("web_tour.tours").add("energy_live_board", {
    steps: () => [
        {
            content: "the feeder's loss follows from what is measured",
            trigger: line("Workshops", "20.0 % · 20.00 kWh"),
        },
        {
            content: "what of it is unexplained, with one sign",
            trigger: ".o_energy_board_tree [title*=' % of what was counted']",
        },
        {
            content: "only feeders",
            trigger: ".o_energy_board_close",
            run: "click",
        },
        {
            content: "the meters are folded away",
            trigger: `.o_energy_board_tree:not(:has(${line("Point of M-1")}))`,
        },
        {
            content: "from the feeder …",
            trigger: line("Workshops"),
            run: "click",
        },
        {
            content: "… to the meter in two clicks",
            trigger: line("Point of M-1", "80.00 kW"),
            run: "click",
        },
        {
            content: "why it is as it is",
            trigger: ".o_energy_board_point .o_why:contains(Closed)",
        },
        {
            content: "a batch arrives",
            trigger: ".o_energy_board_point .o_point_state:contains(On)",
            run: signal,
        },
        {
            content: "the value changes in place; the loss is that of the same hour",
            trigger: line("Point of M-1", "47.25 kW"),
            timeout: 30000,
        },
        {
            trigger: line("Workshops", "20.0 % · 20.00 kWh"),
        },
        {
            content: "search",
            trigger: ".o_energy_board_search",
            run: "edit M-SILENT",
        },
        {
            content: "a feeder without a value below is of unknown loss",
            trigger: line("Yard", "unknown"),
        },
        {
            trigger: `.o_energy_board_tree:not(:has(${line("Workshops")}))`,
        },
        {
            trigger: ".o_energy_board_search",
            run: "edit M-1",
        },
        {
            content: "look at one feeder only",
            trigger: line("Workshops"),
            run: "click",
        },
        {
            trigger: ".o_energy_board_point .o_focus",
            run: "click",
        },
        {
            trigger: ".o_energy_board_tree nav:contains(Workshops)",
        },
        {
            trigger: line("Point of M-1"),
            run: "click",
        },
        {
            content: "lock out …",
            trigger: ".o_energy_board_point button[name=action_lock_out]",
            run: "click",
        },
        {
            content: "… with a reason",
            trigger: ".modal .o_field_widget[name=reason] input",
            run: "edit work on the busbar",
        },
        {
            content: "… and confirm",
            trigger: ".modal footer button[name=action_lock_out]",
            run: "click",
        },
        {
            content: "it is locked out, in words",
            trigger: `${line("Point of M-1")}[data-state=locked]:contains(Locked out)`,
            timeout: 30000,
        },
        {
            trigger: ".o_energy_board_point .o_why:contains(busbar)",
        },
        {
            content: "release it: the board asks",
            trigger: ".o_energy_board_point button[name=action_release]",
            run: "click",
        },
        {
            trigger: ".modal:contains(removed on site) footer .btn-primary",
            run: "click",
        },
        {
            trigger: `${line("Point of M-1")}:not([data-state=locked])`,
            timeout: 30000,
        },
    ],
});

registry.category("web_tour.tours").add("energy_live_board_looker", {
    steps: () => [
        {
            trigger: line("Point of M-1", "80.00 kW"),
            run: "click",
        },
        {
            content: "why, but nothing to press",
            trigger: ".o_energy_board_point:has(.o_why:contains(Closed))",
        },
        {
            trigger: ".o_energy_board_point:not(:has(button[name^=action_]))",
        },
    ],
});
