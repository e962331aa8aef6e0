/* The status of each component over the last day, as strips. */

import { DAY, STAGES, known } from "../constants.js";
import { attribute, byId, make, makeSvg, reconcile, text } from "../page/dom.js";
import { short, span } from "../page/format.js";
import { now, state } from "../state.js";

const STRIPS = ["overall", "bus", "database", ...STAGES, "canary"];
const HEIGHTS = { healthy: 8, degraded: 14, unhealthy: 20, unknown: 4 };
const WIDTHS = { healthy: 1, degraded: 5, unhealthy: 5, unknown: 1 };

const lasted = (one) => one.until - one.from;
const sum = (found) => found.reduce((all, one) => all + lasted(one), 0);

/** Spans of one status, oldest first, over the last day. What lies before all that is known is left out. */
function spans(component, until) {
  const from = until - DAY;
  const changes = state.history.filter((change) => change.component === component).reverse();
  const { health } = state.live;
  const part = component === "overall" ? health : health.stages[component] || health[component];
  const current =
    part.status === "reachable" ? "healthy" : part.status === "unreachable" ? "unhealthy" : known(part.status);
  const found = [];
  changes.forEach((change, index) => {
    const at = Date.parse(change.at);
    const before = index ? Date.parse(changes[index - 1].at) : at - change.seconds * 1000;
    found.push({ status: known(change.before), from: before, until: at });
  });
  const last = changes.length ? Date.parse(changes[changes.length - 1].at) : Date.parse(part.since || health.since);
  found.push({ status: current, from: last, until });
  return found.map((one) => ({ ...one, from: Math.max(from, one.from) })).filter((one) => one.until > one.from);
}

function createStrip(name) {
  return make(
    "li",
    { class: "strip" },
    make("span", { class: "strip-name" }, name),
    makeSvg("svg", { class: "strip-bar", viewBox: "0 0 1000 20", preserveAspectRatio: "none", role: "img" }),
    make("span", { class: "strip-share" }),
  );
}

export function renderStrips() {
  const until = now();
  const names = STRIPS.filter((name) => name !== "canary" || state.live.health.canary.enabled);
  reconcile(
    byId("strips"),
    names,
    (name) => name,
    createStrip,
    (node, name) => updateStrip(node, name, until),
  );
}

function updateStrip(node, name, until) {
  const found = spans(name, until);
  const svg = node.querySelector("svg");
  // The worst comes last, so that no short fault hides behind the hours around it.
  const sorted = [...found].sort((one, other) => HEIGHTS[one.status] - HEIGHTS[other.status]);
  svg.replaceChildren(...sorted.map((one) => bar(one, until)));
  const told = sum(found.filter((one) => one.status !== "unknown"));
  const good = sum(found.filter((one) => one.status === "healthy"));
  text(node.lastChild, told ? `${(Math.floor((1000 * good) / told) / 10).toFixed(1)} %` : "–");
  attribute(node.lastChild, "title", "healthy, as a share of the time with a known status");
  attribute(svg, "aria-label", `${name}, last 24 hours: ${described(found)}`);
}

function bar(one, until) {
  const height = HEIGHTS[one.status];
  const rect = makeSvg("rect", {
    x: ((1000 * (one.from - until + DAY)) / DAY).toFixed(2),
    y: 20 - height,
    width: Math.max(WIDTHS[one.status], (1000 * lasted(one)) / DAY).toFixed(2),
    height,
    class: one.status,
  });
  rect.append(text(makeSvg("title"), `${one.status} for ${span(lasted(one) / 1000)}, from ${short.format(one.from)}`));
  return rect;
}

function described(found) {
  const sums = {};
  for (const one of found) sums[one.status] = (sums[one.status] || 0) + lasted(one);
  return Object.entries(sums)
    .map(([status, all]) => `${status} ${span(all / 1000)}`)
    .join(", ");
}
