/* The chips beside the stages: bus, database, canary. */

import { known } from "../constants.js";
import { attribute, byId, make, reconcile, text } from "../page/dom.js";
import { setIcon } from "../page/icons.js";

export function renderChips(health) {
  const reach = (part) => ({
    status: part.status === "reachable" ? "healthy" : "unhealthy",
    words: part.error || part.status,
  });
  const canary = health.canary.enabled
    ? { status: known(health.canary.status), words: health.canary.cause }
    : { status: "off", words: "off" };
  const rows = [
    ["Bus", reach(health.bus)],
    ["Database", reach(health.database)],
    ["Canary", canary],
  ];
  const create = ([name]) =>
    make("li", {}, make("span", { class: "chip-icon" }), make("b", {}, name), make("span", { class: "chip-words" }));
  reconcile(
    byId("chips"),
    rows,
    ([name]) => name,
    create,
    (node, [name, part]) => {
      attribute(node, "class", `chip ${part.status}`);
      if (part.status === "off") node.firstChild.replaceChildren();
      else setIcon(node.firstChild, part.status);
      text(node.lastChild, part.words);
      attribute(node, "title", `${name}: ${part.words}`);
    },
  );
}
