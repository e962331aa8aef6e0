/* The instances of each stage, as tables that are folded. */

import { SILENT_BEAT, STAGES } from "../constants.js";
import { attribute, byId, make, reconcile, text } from "../page/dom.js";
import { count, plural, span } from "../page/format.js";
import { state } from "../state.js";

const COLUMNS = [
  ["Instance", "", (one, name) => name],
  ["Phase", "", (one) => one.phase],
  ["Last heartbeat", "n", (one) => `${span(one.heartbeat_age_seconds)} ago`],
  ["Processed", "n", (one) => count(one.processed)],
  ["Failed", "n", (one) => count(one.failed)],
  ["In flight", "n", (one) => (one.in_flight ? `${count(one.in_flight)}, ${span(one.oldest_in_flight_seconds)}` : "0")],
  ["Event loop lag", "n", (one) => span(one.loop_lag_seconds)],
  ["Crashes (5 min)", "n", (one) => count(one.crashes)],
  ["Uptime", "n", (one) => span(one.uptime_seconds)],
  ["PID", "n", (one) => String(one.pid)],
  ["Version", "", (one) => one.version],
  ["Last error", "wide", (one) => one.last_error || "–"],
];

export function renderInstances() {
  reconcile(byId("instances"), STAGES, (name) => name, createInstances, updateInstances);
}

function createInstances(name) {
  const head = make(
    "tr",
    {},
    ...COLUMNS.map(([word, kind]) => make("th", { scope: "col", class: kind || null }, word)),
  );
  const details = make(
    "details",
    { class: "fold", ontoggle: () => state.live && updateInstances(details, name) },
    make("summary", {}, make("span", { class: "fold-name" }, name), make("span", { class: "fold-words" })),
    make(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `Instances of the ${name}` },
      make("table", {}, make("thead", {}, head), make("tbody")),
    ),
  );
  return details;
}

function updateInstances(node, name) {
  const rows = Object.entries(state.live.health.stages[name].instances);
  const silent = rows.filter(([, one]) => one.heartbeat_age_seconds >= SILENT_BEAT).length;
  const failing = rows.filter(([, one]) => one.consecutive_failures > 0).length;
  const parts = [plural(rows.length, "instance")];
  if (silent) parts.push(`${count(silent)} silent`);
  if (failing) parts.push(`${count(failing)} failing`);
  text(node.querySelector(".fold-words"), parts.join(" · "));
  if (!node.open) return;
  const create = () => make("tr", {}, ...COLUMNS.map(([, kind]) => make("td", { class: kind || null })));
  reconcile(
    node.querySelector("tbody"),
    rows,
    ([key]) => key,
    create,
    (row, [key, one]) => {
      COLUMNS.forEach(([, , value], index) => text(row.children[index], value(one, key)));
      attribute(row, "class", look(one));
    },
  );
}

function look(one) {
  if (one.heartbeat_age_seconds >= SILENT_BEAT) return "bad";
  return one.consecutive_failures || one.phase !== "running" ? "poor" : "";
}
