/* Status changes of the last day: the strips, and the list of changes. */

import { MOST, known } from "../constants.js";
import { byId, make, reconcile } from "../page/dom.js";
import { span } from "../page/format.js";
import { icon } from "../page/icons.js";
import { ask, single } from "../requests.js";
import { state } from "../state.js";
import { renderStrips } from "./strips.js";
import { when } from "../page/times.js";

const CHANGES = 1000;

export const refreshChanges = single(async () => {
  const found = [];
  for (let offset = 0; offset < CHANGES; offset += MOST) {
    const page = await ask(`timeline?days=1&limit=${MOST}&offset=${offset}`);
    found.push(...page.changes);
    if (page.next === null) break;
  }
  state.history = found;
  renderChanges();
});

function createChange(change) {
  return make(
    "li",
    { class: "change" },
    make(
      "div",
      { class: "change-head" },
      make("b", {}, change.component),
      make("span", { class: `badge small ${known(change.before)}` }, change.before),
      make("span", { class: "to", "aria-label": "to" }, "→"),
      make("span", { class: `badge small ${known(change.after)}` }, icon(known(change.after)), change.after),
      when(change.at),
    ),
    make("p", {}, change.cause),
    change.seconds ? make("p", { class: "lasted" }, `was ${change.before} for ${span(change.seconds)}`) : null,
  );
}

export function renderChanges() {
  if (!state.live) return;
  renderStrips();
  const rows = state.history.slice(0, MOST);
  reconcile(
    byId("changes"),
    rows,
    (row) => `${row.component} ${row.at} ${row.after}`,
    createChange,
    () => {},
  );
}
