/* Dead letters, and what is asked for them: a retry, or to drop them. */

import { MOST } from "../constants.js";
import { attribute, byId, make, reconcile, text } from "../page/dom.js";
import { bytes, count, plural } from "../page/format.js";
import { notice } from "../page/notice.js";
import { ask, single } from "../requests.js";
import { state } from "../state.js";
import { setWhen } from "../page/times.js";
import { askToken } from "../token.js";

const RETRYABLE = new Set(["embedder", "writer"]);
const RETRY_MS = 6000;
const REQUESTS = {
  retry: { method: "POST", path: (sequence) => `deadletters/${sequence}/retry`, name: "Retrying a dead letter" },
  drop: {
    method: "DELETE",
    path: (sequence, why) => `deadletters/${sequence}?why=${encodeURIComponent(why)}`,
    name: "Dropping a dead letter",
  },
};

const asked = new Map();

function createLetter(letter) {
  const fold = (name, key) =>
    make(
      "details",
      { class: `fold small ${key}` },
      make("summary", {}, name),
      make("pre", { class: "scroll", tabindex: "0" }),
    );
  return make(
    "li",
    { class: "letter" },
    make("div", { class: "letter-head" }, make("span", { class: "tag" }), make("time")),
    make("p", { class: "letter-error" }),
    make("code", { class: "letter-subject" }),
    make("p", { class: "letter-facts" }),
    fold("Payload", "payload"),
    fold("Traceback", "traceback"),
    make(
      "div",
      { class: "letter-foot" },
      make("button", { type: "button", class: "retry", onclick: () => request(letter.sequence, "retry") }, "Retry"),
      make("button", { type: "button", class: "drop", onclick: () => openWhy(letter.sequence) }, "Drop"),
      make(
        "form",
        { class: "letter-why", hidden: true, onsubmit: (event) => dropped(event, letter.sequence) },
        make("input", { name: "why", maxlength: "500", autocomplete: "off", placeholder: "Why? (kept as an event)" }),
        make("button", { type: "submit" }, "Drop it"),
      ),
      make("p", { class: "letter-state", role: "status" }),
    ),
  );
}

function updateLetter(node, letter) {
  const find = (selector) => node.querySelector(selector);
  text(find(".tag"), letter.stage);
  text(find(".letter-subject"), letter.subject);
  setWhen(find("time"), letter.at);
  text(find(".letter-error"), letter.error || "(no error text)");
  const facts = [
    plural(letter.deliveries, "delivery", "deliveries"),
    bytes(letter.size),
    `${letter.stream} ${count(letter.stream_sequence)}`,
    `instance ${letter.instance || "unknown"}`,
    `dead letter ${count(letter.sequence)}`,
  ];
  text(find(".letter-facts"), facts.join(" · "));
  text(find(".payload pre"), payload(letter));
  text(find(".traceback pre"), letter.traceback);
  find(".traceback").hidden = !letter.traceback;
  attribute(find(".retry"), "aria-label", `Retry dead letter ${letter.sequence}`);
  attribute(find(".drop"), "aria-label", `Drop dead letter ${letter.sequence}; the message stays in the log`);
  attribute(find(".letter-why input"), "aria-label", `Why dead letter ${letter.sequence} is dropped`);
  find(".retry").hidden = !RETRYABLE.has(letter.stage);
  updateRetry(node, letter.sequence, letter.retry);
}

function payload(letter) {
  if (!letter.text) return letter.by_reference ? `(${bytes(letter.size)}, in the log)` : "(empty)";
  const cut = letter.size > new Blob([letter.text]).size;
  return cut ? `${letter.text}\n… truncated, ${bytes(letter.size)} in total` : letter.text;
}

function updateRetry(node, sequence, told) {
  node.dataset.told = told;
  const mine = asked.get(sequence);
  if (mine && !mine.refused && (told !== mine.before || Date.now() > mine.until)) asked.delete(sequence);
  const waits = asked.get(sequence);
  const pending = told === "pending" || Boolean(waits && !waits.refused);
  const words = pending ? "in progress …" : waits ? `Refused: ${waits.refused}` : told ? `Last outcome: ${told}` : "";
  // A disabled button would lose the focus; it stays one and says that it is busy.
  for (const button of node.querySelectorAll(".letter-foot button"))
    attribute(button, "aria-disabled", pending ? "true" : null);
  text(node.querySelector(".letter-state"), words);
  attribute(node.querySelector(".letter-state"), "class", `letter-state ${pending ? "busy" : words ? "poor" : ""}`);
}

/** To drop takes two steps: the second asks why. */
function openWhy(sequence) {
  const form = byId("letters").querySelector(`[data-key="${sequence}"] .letter-why`);
  form.hidden = !form.hidden;
  if (!form.hidden) form.querySelector("input").focus();
}

function dropped(event, sequence) {
  event.preventDefault();
  event.target.hidden = true;
  request(sequence, "drop", event.target.elements.why.value);
}

async function request(sequence, what, why = "") {
  const { method, path, name } = REQUESTS[what];
  const node = byId("letters").querySelector(`[data-key="${sequence}"]`);
  if (!node || node.querySelector(".retry").getAttribute("aria-disabled")) return;
  if (!state.token) {
    askToken(`${name} needs the health service's token.`, () => request(sequence, what, why));
    return;
  }
  const before = node.dataset.told;
  asked.set(sequence, { before, until: Date.now() + RETRY_MS });
  updateRetry(node, sequence, before);
  try {
    await ask(path(sequence, why), { method });
  } catch (error) {
    asked.set(sequence, { refused: error.message });
    updateRetry(node, sequence, before);
    if (error.status === 401)
      askToken(`The token was not accepted. ${name} needs a valid one.`, () => request(sequence, what, why));
  }
}

export const refreshLetters = single(async () => {
  const focused = byId("letters").contains(document.activeElement);
  try {
    showLetters(await ask(`deadletters?limit=${MOST}`));
  } catch (error) {
    if (error.status === 401) byId("letters").replaceChildren();
    if (state.link === "live" || error.status) notice(byId("letters-notice"), error);
    throw error;
  } finally {
    if (focused && !byId("letters").contains(document.activeElement))
      byId("letters-title").focus({ preventScroll: true });
  }
});

function showLetters(page) {
  notice(byId("letters-notice"), null);
  reconcile(byId("letters"), page.deadletters, (one) => one.sequence, createLetter, updateLetter);
  text(
    byId("letters-count"),
    page.kept > page.count ? `newest ${count(page.count)} of ${count(page.kept)}` : page.kept ? count(page.kept) : "",
  );
  if (page.count) return;
  const words = page.kept ? "Loading …" : "No dead letters.";
  byId("letters-notice").replaceChildren(make("p", { class: "empty" }, words));
}

export function followRetries(retries) {
  for (const [sequence, told] of retries) {
    const node = byId("letters").querySelector(`[data-key="${Number(sequence)}"]`);
    if (node) updateRetry(node, sequence, told);
  }
}
