/* Title and icon of the browser tab. */

import { WORDS } from "../constants.js";
import { byId } from "./dom.js";
import { state } from "../state.js";

const SIGNS = { healthy: "✓", degraded: "!", unhealthy: "✕", unknown: "?", lost: "✕" };
const COLOURS = {
  healthy: "%230f6b46",
  degraded: "%23f0ab2e",
  unhealthy: "%23b3231b",
  unknown: "%23667085",
  lost: "%23667085",
};
const SHAPES = {
  healthy: "%3Ccircle cx='16' cy='16' r='15'/%3E",
  degraded: "%3Cpath d='M16 2l15 28H1Z'/%3E",
  unhealthy: "%3Cpath d='M10 1h12l9 9v12l-9 9H10l-9-9V10Z'/%3E",
  unknown: "%3Cpath d='M16 1l15 15-15 15L1 16Z'/%3E",
  lost: "%3Cpath d='M3 7l4-4 22 22-4 4ZM25 3l4 4L7 29l-4-4Z'/%3E",
};

export function renderTab(shown) {
  const word = state.link === "waiting" ? "Connecting" : WORDS[shown];
  const title = `${SIGNS[shown]} ${word} – Mnemostream`;
  if (document.title === title) return;
  document.title = title;
  const drawn = `%3Cg fill='${COLOURS[shown]}'%3E${SHAPES[shown]}%3C/g%3E`;
  const svg = `%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E${drawn}%3C/svg%3E`;
  byId("favicon").href = `data:image/svg+xml,${svg}`;
}
