/* Machines whose transcripts are here, edges among them, as a table that is folded. */

import { attribute, byId, make, reconcile, text } from "../page/dom.js";
import { bytes, count, span } from "../page/format.js";
import { ask, single } from "../requests.js";
import { now, state } from "../state.js";

const COLUMNS = [
  ["", (one) => one.host],
  ["", (one) => (one.edge ? "edge" : "server")],
  ["", (one) => one.state],
  ["n", (one) => (one.last_at ? `${span((now() - Date.parse(one.last_at)) / 1000)} ago` : "never")],
  ["n", (one) => count(one.transcripts)],
  ["n", (one) => bytes(one.bytes)],
  ["n", (one) => (one.backlog_bytes === null ? "unknown" : bytes(one.backlog_bytes))],
];

export const refreshHosts = single(async () => {
  if (!byId("hosts").open) return;
  const { hosts } = await ask("hosts");
  const create = () => make("tr", {}, ...COLUMNS.map(([kind]) => make("td", { class: kind || null })));
  reconcile(
    byId("hosts-rows"),
    hosts,
    (one) => one.host,
    create,
    (row, one) => {
      COLUMNS.forEach(([, value], index) => text(row.children[index], value(one)));
      attribute(row, "class", one.state === "silent" ? "poor" : "");
    },
  );
});

export function startHosts() {
  byId("hosts").addEventListener("toggle", () => state.live && refreshHosts());
}
