/* The banner: the status of everything, and the totals. */

import { rootCause } from "./causes.js";
import { WORDS, known } from "../constants.js";
import { byId, make, reconcile, root, text } from "../page/dom.js";
import { count, span } from "../page/format.js";
import { setIcon } from "../page/icons.js";
import { state } from "../state.js";
import { renderTab } from "../page/tab.js";
import { setSince } from "../page/times.js";

export function renderBanner() {
  const lost = state.link !== "live";
  const health = state.live && state.live.health;
  const status = lost ? "lost" : known(health.status);
  const shown = state.link === "waiting" ? "unknown" : status;
  root.dataset.status = shown;
  root.dataset.link = state.link;
  setIcon(byId("banner-icon"), shown);
  const age = span((Date.now() - state.at) / 1000);
  if (state.link === "waiting") {
    text(byId("status-word"), "Connecting");
    text(byId("reason"), state.refusal || "Waiting for the first report.");
    text(byId("since"), "");
  } else if (lost) {
    text(byId("status-word"), WORDS.lost);
    text(byId("reason"), `Last seen ${age} ago. Everything below is out of date; the current status is unknown.`);
    text(byId("since"), `It was ${known(health.status)} then. Reconnecting …`);
  } else {
    text(byId("status-word"), WORDS[status]);
    text(byId("reason"), rootCause(health));
    setSince(byId("since"), health.since);
  }
  text(
    byId("link-text"),
    { waiting: "connecting", live: "live", lost: `connection lost, last seen ${age} ago` }[state.link],
  );
  byId("content").toggleAttribute("data-old", lost);
  renderTab(shown);
  speak(shown, health);
}

/** Told only when the status is another one: an age that counts up would be read out every second. */
function speak(shown, health) {
  if (state.spoken === shown || state.link === "waiting") return;
  state.spoken = shown;
  text(
    byId("spoken"),
    shown === "lost"
      ? "Connection lost. The data shown is out of date."
      : `Status: ${WORDS[shown]}. ${rootCause(health)}`,
  );
}

export function renderTotals(stats) {
  const rows = [
    ["conversations", stats.conversations],
    ["texts", stats.texts],
    ["vectors", stats.chunks],
    ["transcripts", stats.transcripts],
  ];
  const create = ([name]) => make("div", {}, make("dt", {}, name), make("dd"));
  reconcile(
    byId("totals"),
    rows,
    ([name]) => name,
    create,
    (node, row) => text(node.lastChild, count(row[1])),
  );
}
