/* The cards of the stages. */

import { STAGES, WORDS, known } from "../constants.js";
import { attribute, byId, make, makeSvg, reconcile, text } from "../page/dom.js";
import { bytes, count, plural, rate, span } from "../page/format.js";
import { setIcon } from "../page/icons.js";
import { state, waitingOf } from "../state.js";
import { setSince } from "../page/times.js";

const DOES = {
  watcher: "reads transcripts from disk into the log",
  embedder: "turns texts into vectors",
  writer: "stores rows and vectors",
};

export function renderStages() {
  reconcile(byId("stages"), STAGES, (name) => name, createStage, updateStage);
}

function createStage(name) {
  const fact = (key, word) => make("div", { "data-fact": key }, make("dt", {}, word), make("dd"));
  return make(
    "li",
    { class: "stage" },
    createHead(name),
    make("p", { class: "cause" }),
    make("p", { class: "next-step" }),
    make("p", { class: "stage-since" }),
    make("p", { class: "stage-rule" }),
    createLag(),
    make(
      "dl",
      { class: "facts" },
      fact("rate", "Rate"),
      fact("age", "Oldest waiting"),
      fact("instances", "Instances"),
      fact("beat", "Last heartbeat"),
      fact("failures", "Failures in a row"),
      fact("letters", "Dead letters"),
    ),
  );
}

function createHead(name) {
  return make(
    "div",
    { class: "stage-head" },
    make("div", {}, make("h3", {}, name[0].toUpperCase() + name.slice(1)), make("p", { class: "does" }, DOES[name])),
    make("span", { class: "badge" }, make("span", { class: "badge-icon" }), make("span", { class: "badge-word" })),
  );
}

function createLag() {
  return make(
    "div",
    { class: "lag" },
    make(
      "div",
      {},
      make("span", { class: "lag-word" }, "Backlog"),
      make("strong", { class: "lag-value" }),
      make("span", { class: "lag-note" }),
    ),
    makeSvg(
      "svg",
      { class: "spark", viewBox: "0 0 100 32", preserveAspectRatio: "none", "aria-hidden": "true" },
      makeSvg("path", { class: "spark-area" }),
      makeSvg("path", { class: "spark-line" }),
    ),
  );
}

function updateStage(node, name) {
  const stage = state.live.health.stages[name];
  const find = (selector) => node.querySelector(selector);
  const fact = (key, value) => text(find(`[data-fact=${key}] dd`), value);
  const status = known(stage.status);
  attribute(node, "data-status", status);
  attribute(find(".badge"), "class", `badge ${status}`);
  setIcon(find(".badge-icon"), status);
  text(find(".badge-word"), WORDS[status]);
  text(find(".cause"), stage.cause);
  text(find(".next-step"), stage.next_step);
  setSince(find(".stage-since"), stage.since);
  text(find(".stage-rule"), status === "healthy" ? "" : `Reason: ${stage.reason}`);
  const { lag } = stage;
  const waiting = waitingOf(lag);
  text(find(".lag-value"), lagValue(lag, status));
  text(find(".lag-note"), status === "unknown" ? "currently unknown" : lagNote(lag));
  fact("rate", rate(lag.rate));
  fact("age", waiting ? span(lag.age_seconds) : "–");
  fact("instances", `${count(stage.beating)} of ${count(stage.desired)}`);
  fact("beat", stage.heartbeat_age_seconds === null ? "never" : `${span(stage.heartbeat_age_seconds)} ago`);
  fact("failures", count(stage.consecutive_failures));
  fact("letters", count(stage.dead_letters));
  attribute(find("[data-fact=failures]"), "class", stage.consecutive_failures ? "poor" : "");
  attribute(find("[data-fact=letters]"), "class", stage.dead_letters ? "poor" : "");
  drawSpark(node, state.lags[name]);
}

function lagValue(lag, status) {
  if (status === "unknown") return "?";
  if (lag.pending === null) return "–";
  return lag.unit === "bytes" ? bytes(waitingOf(lag)) : count(waitingOf(lag));
}

function lagNote(lag) {
  if (lag.pending === null) return "unknown";
  const waiting = waitingOf(lag);
  if (!waiting) return lag.unit === "bytes" ? "nothing to read" : "no messages";
  const parts = [lag.unit === "bytes" ? "of transcripts" : plural(waiting, "message").replace(/^\S+ /, "")];
  if (lag.ack_pending && lag.unit !== "bytes") parts.push(`${count(lag.ack_pending)} in flight`);
  parts.push({ growing: "↑ growing", draining: "↓ draining", steady: "→ steady" }[lag.trend] || lag.trend);
  if (lag.eta_seconds !== null) parts.push(`about ${span(lag.eta_seconds)} left`);
  return parts.join(" · ");
}

function drawSpark(node, values) {
  const top = Math.max(1, ...values);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map((value, index) => `${(index * step).toFixed(2)} ${(30 - 27 * (value / top)).toFixed(2)}`);
  if (points.length < 2) return;
  node.querySelector(".spark-line").setAttribute("d", `M${points.join("L")}`);
  node.querySelector(".spark-area").setAttribute("d", `M0 32L${points.join("L")}L100 32Z`);
}

export function remember(health) {
  for (const name of STAGES) {
    state.lags[name].push(waitingOf(health.stages[name].lag));
    if (state.lags[name].length > 120) state.lags[name].shift();
  }
}
