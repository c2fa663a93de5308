/** Hands out a file that is in the answer only, e.g. one with a secret in it. */
import {registry} from "@web/core/registry";

registry.category("actions").add("energy_download", (env, action) => {
    const {name, content, mark, message} = action.params;
    const parts = mark ? ["\ufeff", content] : [content];
    const url = URL.createObjectURL(new Blob(parts, {type: "text/plain"}));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    if (message) {
        env.services.notification.add(message, {title: name, type: "warning"});
    }
});
