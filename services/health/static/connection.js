/* The connection to the live events: opened, lost, opened again. */

import { renderBanner } from "./panels/banner.js";
import { API } from "./constants.js";
import { noteRefreshed, refreshAll, refreshChanged, render } from "./refresh.js";
import { remember } from "./panels/stages.js";
import { state } from "./state.js";

const SILENT_MS = 6000;
const MOST_SILENT_MS = 15000;
const REOPEN_MS = 15000;

let source = null;
let reopening = 0;
let tried = 0;

function connect() {
  clearTimeout(reopening);
  if (source) source.close();
  tried = Date.now();
  source = new EventSource(`${API}/events`);
  source.addEventListener("open", () => {
    state.fresh = true;
  });
  source.addEventListener("live", (event) => receive(event.data));
  source.addEventListener("error", () => {
    lose();
    // The browser tries again by itself unless it was refused.
    if (source.readyState !== EventSource.CLOSED) return;
    explain();
    reopening = setTimeout(connect, 2000);
  });
}

/** An EventSource that was refused does not tell why: the same question, asked as a request, does. */
async function explain() {
  const stop = new AbortController();
  try {
    const answer = await fetch(`${API}/events`, { cache: "no-store", credentials: "omit", signal: stop.signal });
    state.refusal = answer.ok ? "" : (await answer.json()).detail || "";
  } catch {
    state.refusal = "";
  } finally {
    stop.abort();
  }
}

function receive(data) {
  const live = JSON.parse(data);
  // A report that was made before the last one is none of now.
  if (live.health.timestamp === state.stamp && state.link === "live") return;
  const back = state.link !== "live";
  state.pace = state.fresh ? 0 : Math.max(Date.now() - state.at, 0.9 * state.pace);
  state.fresh = false;
  Object.assign(state, { live, at: Date.now(), stamp: live.health.timestamp, link: "live", refusal: "" });
  remember(live.health);
  render();
  if (back) refreshAll();
  else refreshChanged(live);
  noteRefreshed(live);
}

function lose() {
  if (state.link !== "live") return;
  state.link = "lost";
  renderBanner();
}

/** Each second: ages count up, and silence is noticed even when the connection seems to be open. */
function tick() {
  const silent = Date.now() - state.at;
  // A service that is set to judge more seldom is not lost between two reports.
  const patience = Math.min(MOST_SILENT_MS, Math.max(SILENT_MS, 3 * state.pace));
  if (state.link === "live" && silent > patience) lose();
  if (state.link !== "live" && Date.now() - tried > REOPEN_MS && silent > REOPEN_MS) connect();
  renderBanner();
}

function wake() {
  if (document.visibilityState === "hidden") return;
  tick();
  if (state.link !== "live") connect();
}

export function startConnection() {
  addEventListener("online", wake);
  addEventListener("offline", lose);
  document.addEventListener("visibilitychange", wake);
  connect();
  setInterval(tick, 1000);
}
