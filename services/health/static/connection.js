/* The connection to the live events: opened, lost, opened again. */

import { renderBanner } from "./panels/banner.js";
import { API } from "./constants.js";
import { noteRefreshed, refreshAll, refreshChanged, render } from "./refresh.js";
import { remember } from "./panels/stages.js";
import { state } from "./state.js";

const SILENT_MS = 6000;
const MOST_SILENT_MS = 15000;
const REOPEN_MS = 15000;
const REOPEN_AFTER_MS = 2000;

let current = null;
let reopening = 0;
let tried = 0;

/** Opens the events, instead of those that are open. A request, and no EventSource: that one sends no token. */
export async function connect() {
  clearTimeout(reopening);
  current?.abort();
  const mine = new AbortController();
  current = mine;
  tried = Date.now();
  try {
    for await (const data of events(await opened(mine.signal))) if (mine === current) receive(data);
  } catch {
    /* it is lost, or was refused: said below */
  }
  if (mine !== current) return;
  lose();
  reopening = setTimeout(connect, REOPEN_AFTER_MS);
}

async function opened(signal) {
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  const answer = await fetch(`${API}/events`, { headers, cache: "no-store", credentials: "omit", signal });
  state.refusal = answer.ok ? "" : (await answer.json().catch(() => ({}))).detail || "";
  if (!answer.ok) throw new Error(state.refusal);
  state.fresh = true;
  return answer.body.pipeThrough(new TextDecoderStream());
}

/** The data of each server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
async function* events(texts) {
  let rest = "";
  const reader = texts.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (rest + part.value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length) yield lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    }
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
