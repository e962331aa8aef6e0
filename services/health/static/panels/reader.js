/* One conversation, in a dialog. */

import { attribute, byId, make, text } from "../page/dom.js";
import { clock, count, exact, plural, projectName } from "../page/format.js";
import { notice } from "../page/notice.js";
import { ask } from "../requests.js";
import { when } from "../page/times.js";

const TOOLS = new Set(["tool_call", "tool_result", "subagent_call"]);

let opener = null;
let reading = "";

export async function read(exchange, from) {
  opener = from;
  reading = exchange;
  const body = byId("reader-body");
  body.replaceChildren(make("p", { class: "aside" }, "Loading …"));
  text(byId("reader-title"), "Conversation");
  byId("reader").showModal();
  byId("reader-close").focus();
  try {
    const whole = await ask(`conversation/${encodeURIComponent(exchange)}`);
    if (reading === exchange) showConversation(whole);
  } catch (error) {
    if (reading !== exchange) return;
    const holder = make("div");
    body.replaceChildren(holder);
    notice(holder, error);
  }
}

function showConversation(whole) {
  const body = byId("reader-body");
  text(byId("reader-title"), `${projectName(whole.project)} · ${whole.source}`);
  body.replaceChildren(
    facts(whole),
    make(
      "section",
      { class: "said user" },
      make("h3", {}, "Prompt"),
      make("div", { class: "words", id: "reader-prompt" }, whole.prompt || "(no text)"),
    ),
    make(
      "section",
      { class: "said assistant" },
      make("h3", {}, "Answer"),
      make("div", { class: "words", id: "reader-answer" }, whole.answer || "(no answer yet)"),
    ),
    make(
      "section",
      {},
      make("h3", {}, `${plural(whole.total, "record")}, in order`),
      make("ol", { class: "records", id: "records" }),
      make("p", { class: "aside", id: "records-state", role: "status" }),
      make("button", { type: "button", id: "records-more", onclick: () => readOn(whole) }, "Show more records"),
    ),
  );
  addRecords(whole, whole);
  body.scrollTop = 0;
}

function facts(whole) {
  const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  return make(
    "dl",
    { class: "meta" },
    fact("Asked", when(whole.started_at, exact)),
    fact("Ended", when(whole.ended_at, exact)),
    fact("Project", whole.project || "–"),
    fact("Session", whole.session_id),
    fact("Exchange", whole.exchange_id),
    fact("Tools", whole.tools.length ? tally(whole.tools) : "none"),
  );
}

function addRecords(page, whole) {
  byId("records").append(...page.records.map((record) => showRecord(record, whole)));
  const shown = byId("records").children.length;
  whole.next = page.next;
  text(byId("records-state"), page.next === null ? "" : `${count(shown)} of ${count(page.total)} shown.`);
  byId("records-more").hidden = page.next === null;
}

async function readOn(whole) {
  const last = byId("records").lastElementChild;
  if (byId("records-more").getAttribute("aria-disabled")) return;
  attribute(byId("records-more"), "aria-disabled", "true");
  try {
    const page = await ask(`conversation/${encodeURIComponent(whole.exchange_id)}?offset=${whole.next}`);
    if (reading !== whole.exchange_id) return;
    addRecords(page, whole);
    last.nextElementSibling?.querySelector("summary").focus();
  } catch (error) {
    if (reading === whole.exchange_id) text(byId("records-state"), `Could not be loaded: ${error.message}`);
  } finally {
    if (reading === whole.exchange_id) attribute(byId("records-more"), "aria-disabled", null);
  }
}

function tally(tools) {
  const counts = new Map();
  for (const tool of tools) counts.set(tool, (counts.get(tool) || 0) + 1);
  return [...counts].map(([tool, times]) => (times > 1 ? `${tool} ×${times}` : tool)).join(", ");
}

/** Tools, and what stands above already, are folded; a folded text is put in when it is first opened. */
function showRecord(record, whole) {
  const parts = [record.tool_input, record.text].filter(Boolean);
  const told = record.text && (record.text === whole.prompt || record.text === whole.answer);
  const folded = TOOLS.has(record.kind) || record.kind === "thinking" || told;
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const details = make(
    "details",
    { open: !folded && parts.length > 0 },
    make(
      "summary",
      {},
      make("span", { class: "tag" }, record.kind.replaceAll("_", " ")),
      make("span", { class: "record-name" }, record.kind === "tool_result" ? "" : record.tool),
      make("span", { class: "record-size" }, size ? `${count(size)} characters` : "empty"),
      record.occurred_at ? when(record.occurred_at, clock) : null,
    ),
  );
  const fill = () => {
    if (details.open && details.children.length === 1)
      details.append(...parts.map((part) => make("div", { class: "words" }, part)));
  };
  details.addEventListener("toggle", fill);
  fill();
  return make("li", { class: `record ${record.role === "user" ? "user" : "assistant"}` }, details);
}

function closed() {
  reading = "";
  byId("reader-body").replaceChildren();
  const target = opener && opener.isConnected ? opener : byId("recent-title");
  target.focus({ preventScroll: true });
}

export function startReader() {
  byId("reader-close").addEventListener("click", () => byId("reader").close());
  byId("reader").addEventListener("close", closed);
  byId("reader").addEventListener("click", (event) => {
    if (event.target === byId("reader")) byId("reader").close();
  });
}
