/* Imports per hour and per day. */

import { drawChart } from "../page/chart.js";
import { DAY, HOUR } from "../constants.js";
import { byId } from "../page/dom.js";
import { ask, single } from "../requests.js";
import { now, state } from "../state.js";

const hourName = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "numeric" });
const dayName = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

function buckets(found, number, step, first) {
  const byKey = new Map(found.map((bucket) => [Date.parse(bucket.start), bucket]));
  return Array.from({ length: number }, (_, index) => {
    const at = first + index * step;
    return { ...(byKey.get(at) || { conversations: 0, segments: 0, bytes: 0 }), key: String(at), at };
  });
}

export function renderImports() {
  if (!state.imports) return;
  const { hourly, daily } = state.imports;
  const shown = state.measure || (daily.some((day) => day.conversations) ? "conversations" : "bytes");
  for (const input of byId("measure").querySelectorAll("input")) input.checked = input.value === shown;
  const hour = Math.floor(now() / HOUR) * HOUR;
  const day = Math.floor(now() / DAY) * DAY;
  drawChart(byId("hourly"), {
    title: "Per hour",
    range: "last 48 hours",
    shown,
    every: 12,
    rows: buckets(hourly, 48, HOUR, hour - 47 * HOUR),
    name: (at) => hourName.format(at),
    ontoggle: renderImports,
  });
  drawChart(byId("daily"), {
    title: "Per day",
    range: "last 30 days, in UTC",
    shown,
    every: 7,
    rows: buckets(daily, 30, DAY, day - 29 * DAY),
    name: (at) => dayName.format(at),
    ontoggle: renderImports,
  });
}

export const refreshImports = single(async () => {
  state.imports = await ask("timeline?days=30&limit=1");
  renderImports();
});

export function startImports() {
  byId("measure").addEventListener("change", (event) => {
    state.measure = event.target.value;
    renderImports();
  });
}
