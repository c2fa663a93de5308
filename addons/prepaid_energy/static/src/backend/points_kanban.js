/** Service points by feeder: an empty board says what to do, also while it is grouped. */
import {KanbanRenderer} from "@web/views/kanban/kanban_renderer";
import {kanbanView} from "@web/views/kanban/kanban_view";
import {registry} from "@web/core/registry";

export class PointsKanbanRenderer extends KanbanRenderer {
    /** Odoo's own shows nothing where a many2one has no groups. */
    get showNoContentHelper() {
        const {groups, isGrouped} = this.props.list;
        return super.showNoContentHelper || (isGrouped && !groups.length);
    }
}

registry.category("views").add("energy_points_kanban", {
    ...kanbanView,
    Renderer: PointsKanbanRenderer,
});
