/* The ledger: from disk to vector, step by step. */

import { SILENT_BEAT } from "../constants.js";
import { attribute, byId, make, reconcile, text } from "../page/dom.js";
import { bytes, count, plural } from "../page/format.js";
import { renderSources } from "./sources.js";
import { state } from "../state.js";

const STEPS = [
  { name: "On disk", column: "disk_bytes", stage: "watcher" },
  { name: "Captured", column: "captured_bytes", gap: "uncaptured_bytes", stage: "watcher" },
  { name: "Published", column: "published_bytes", gap: "unpublished_bytes", stage: "watcher" },
  { name: "Stored", column: "stored_bytes", gap: "unstored_bytes", stage: "writer" },
  { name: "Embedded", column: "embedded", gap: "unembedded_texts", stage: "embedder", texts: true },
];

/** Why a step's number is only the last one known; "" = it is of now. */
function blind(step, { health, ledger, counted }) {
  if (health.bus.status !== "reachable") return "the bus is unreachable";
  const fromDatabase = step.stage !== "watcher";
  if (fromDatabase && health.database.status !== "reachable") return "the database is unreachable";
  if (fromDatabase && counted === null) return "not counted yet";
  const age = health.stages.watcher.heartbeat_age_seconds;
  if (!step.texts && (age === null || age >= SILENT_BEAT)) return "no heartbeat from the watcher";
  if (!step.texts && ledger.absent_files === null) return "the watcher has not reported yet";
  return "";
}

export function renderLedger() {
  const { ledger } = state.live;
  reconcile(
    byId("ledger"),
    STEPS,
    (step) => step.name,
    createStep,
    (node, step) => updateStep(node, step, state.live),
  );
  const [kind, words] = verdict(state.live);
  text(byId("ledger-verdict"), words);
  attribute(byId("ledger-verdict"), "class", `verdict ${kind}`);
  renderAsides(ledger);
  renderSources(ledger);
}

function verdict(live) {
  const { ledger, health } = live;
  const blinds = STEPS.map((step) => blind(step, live)).filter(Boolean);
  if (blinds.length) return ["unknown", `currently unknown: ${blinds[0]}`];
  if (ledger.missing_folders) return ["degraded", "a watched folder is missing: what is on disk cannot be told"];
  if (ledger.balanced === null) return ["unknown", "currently unknown"];
  if (ledger.balanced) return ["healthy", "balanced: nothing is missing"];
  const stuck = STEPS.some((step) => ledger.total.gaps[step.gap] && health.stages[step.stage].status === "unhealthy");
  return stuck ? ["unhealthy", "stuck: see the gaps"] : ["degraded", "in progress: see the gaps"];
}

function createStep(step) {
  return make(
    "li",
    { class: "step" },
    make(
      "span",
      { class: "joint" },
      make("span", { class: "joint-sign", "aria-hidden": "true" }),
      make("span", { class: "joint-words" }),
    ),
    make(
      "div",
      { class: "step-body" },
      make("span", { class: "step-name" }, step.name),
      make("strong", { class: "step-value" }),
      make("span", { class: "step-note" }),
    ),
  );
}

function updateStep(node, step, live) {
  const { health } = live;
  const { total } = live.ledger;
  const why = blind(step, live);
  const gap = step.gap ? total.gaps[step.gap] : 0;
  const ill = health.stages[step.stage].status === "unhealthy";
  const kind = why ? "unknown" : gap ? (ill ? "unhealthy" : "degraded") : "healthy";
  const amount = step.texts ? plural(gap, "text") : bytes(gap);
  attribute(node, "class", `step ${kind}${step.texts ? " texts" : ""}`);
  text(node.querySelector(".joint-sign"), !step.gap ? "" : why ? "?" : gap ? "≠" : "=");
  text(
    node.querySelector(".joint-words"),
    !step.gap ? "" : why ? "unknown" : gap ? `${amount} missing` : step.texts ? "all texts" : "equal",
  );
  const value = node.querySelector(".step-value");
  text(value, step.texts ? count(total.embedded) : bytes(total[step.column]));
  attribute(value, "title", step.texts ? null : `${count(total[step.column])} bytes`);
  text(node.querySelector(".step-note"), why ? `not current: ${why}` : stepNote(step, total, live.ledger));
}

function stepNote(step, total, ledger) {
  if (step.column === "disk_bytes") {
    const there = ledger.there_files ?? total.files;
    return there > total.files ? `${count(total.files)} of ${plural(there, "file")}` : plural(total.files, "file");
  }
  if (step.texts) return `of ${plural(total.texts, "text")}`;
  if (step.column === "stored_bytes" && total.log_bytes !== total.published_bytes)
    return `of ${bytes(total.log_bytes)} in the log, deleted files included`;
  return `${count(total[step.column])} bytes`;
}

/** What is null is not known, and left out like what is zero. */
function renderAsides(ledger) {
  const rows = [
    [ledger.unreadable_files, "unreadable"],
    [ledger.absent_files, "deleted from disk, kept here"],
  ]
    .filter(([files]) => files)
    .map(([files, words]) => `${plural(files, "file")} ${words}`);
  for (const [reason, files] of Object.entries(ledger.uncaptured || {}))
    rows.push(`${plural(files, "file")} not captured: ${reason}`);
  if (ledger.absent_backlog_bytes)
    rows.push(`${bytes(ledger.absent_backlog_bytes)} of deleted files were never published`);
  byId("ledger-asides").hidden = !rows.length;
  reconcile(
    byId("ledger-asides"),
    rows,
    (row) => row.replace(/[\d.,]+/g, ""),
    () => make("li"),
    (node, row) => text(node, row),
  );
}
