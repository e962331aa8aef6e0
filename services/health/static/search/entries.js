/* What a session says, as elements: words rendered, calls of tools folded with their output. */

import { make } from "../page/dom.js";
import { count, exact } from "../page/format.js";
import { when } from "../page/times.js";
import { copyButton } from "./copying.js";
import { nodesOf } from "./markup.js";

const YOU = new Set(["prompt", "command", "plan", "steer", "comment", "reply", "local_command"]);
const OUTPUTS = new Set(["tool_result", "local_output"]);
const HINT_CHARS = 120;

const isTool = (entry) => entry.tool_input !== "" || OUTPUTS.has(entry.kind);

/** Elements of entries, in their order; a run of calls has each output in its call. */
export function blocksOf(entries) {
  const blocks = [];
  let run = [];
  const finish = () => {
    blocks.push(...callsOf(run));
    run = [];
  };
  for (const entry of entries) {
    if (isTool(entry)) {
      run.push(entry);
      continue;
    }
    finish();
    if (entry.text) blocks.push(wordsOf(entry));
  }
  finish();
  return blocks;
}

function callsOf(run) {
  const calls = run.filter((entry) => entry.tool_input !== "");
  const outputs = run.filter((entry) => entry.tool_input === "");
  const blocks = calls.map((call, number) => callOf(call, outputs[number]));
  return [...blocks, ...outputs.slice(calls.length).map((output) => callOf(null, output))];
}

function callOf(call, output) {
  const entry = call || output;
  const size = (call ? call.tool_input.length : 0) + (output ? output.text.length : 0);
  const hint = call ? call.tool_input.replace(/\s+/g, " ").slice(0, HINT_CHARS) : "";
  const details = make(
    "details",
    { class: "call", "data-exchange": entry.exchange_id || "", "data-position": entry.position },
    make(
      "summary",
      {},
      make("span", { class: "tag" }, call ? call.tool || "tool" : "output"),
      make("code", { class: "call-hint" }, hint),
      make("span", { class: "call-size" }, `${count(size)} characters`),
    ),
  );
  const fill = () => {
    if (!details.open || details.children.length > 1) return;
    if (call) details.append(block(make("pre", {}, call.tool_input)));
    if (call && call.text) details.append(rendered(call));
    if (output && output.text) details.append(make("p", { class: "aside" }, "Output"), rendered(output));
  };
  details.addEventListener("toggle", fill);
  return details;
}

function wordsOf(entry) {
  const you = YOU.has(entry.kind);
  const name = you ? "You" : entry.kind === "answer" ? "Assistant" : entry.kind.replaceAll("_", " ");
  const head = [make("span", { class: "who" }, name), entry.occurred_at ? when(entry.occurred_at, exact) : null];
  const facts = { "data-exchange": entry.exchange_id || "", "data-position": entry.position };
  if (entry.kind === "thinking") {
    const details = make("details", { class: "said thinking", ...facts }, make("summary", {}, ...head));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(rendered(entry));
    });
    return details;
  }
  const tools = copyButton(() => entry.text, `Copy what ${you ? "you" : "the assistant"} wrote`);
  return make(
    "article",
    { class: `said ${you ? "you" : "other"}`, ...facts },
    make("header", {}, ...head, tools),
    rendered(entry),
  );
}

function rendered(entry) {
  const holder = make("div", { class: "md" });
  holder.append(nodesOf(entry.html));
  for (const pre of holder.querySelectorAll("pre")) block(pre);
  return holder;
}

/** A block of code with a button that copies it; it can be scrolled by keyboard. */
function block(pre) {
  const words = pre.textContent;
  pre.tabIndex = 0;
  const holder = make("div", { class: "block" });
  if (pre.parentNode) pre.replaceWith(holder);
  holder.append(pre, copyButton(() => words, "Copy this block"));
  return holder;
}
