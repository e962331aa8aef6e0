/* A bar chart, with a table of the same values below it. */

import { attribute, make, reconcile, text } from "./dom.js";
import { bytes, count, plural } from "./format.js";

/** `chart`: title, range, shown ("bytes" or "conversations"), rows, name (of a row's time), every (ticks), ontoggle. */
export function drawChart(holder, chart) {
  if (!holder.firstChild) createChart(holder, chart.ontoggle);
  const find = (selector) => holder.querySelector(selector);
  const top = Math.max(0, ...chart.rows.map((row) => row[chart.shown]));
  drawWords(find, chart, top);
  drawBars(find(".bars"), chart, top);
  drawTicks(find(".ticks"), chart);
  if (find(".fold").open) drawTable(find("tbody"), chart);
}

function createChart(holder, ontoggle) {
  holder.append(
    make(
      "div",
      { class: "chart-head" },
      make("h3"),
      make("p", { class: "chart-range" }),
      make("p", { class: "chart-total" }),
    ),
    make("div", { class: "plot", role: "img" }, make("span", { class: "plot-top" }), make("div", { class: "bars" })),
    make("div", { class: "ticks", "aria-hidden": "true" }),
    make(
      "details",
      { class: "fold small", ontoggle },
      make("summary", {}, "Show as table"),
      make("div", { class: "scroll", tabindex: "0", role: "region" }, createTable()),
    ),
  );
}

function createTable() {
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, "From"),
    make("th", { scope: "col", class: "n" }, "Conversations"),
    make("th", { scope: "col", class: "n" }, "Bytes saved"),
  );
  return make("table", {}, make("thead", {}, head), make("tbody"));
}

const worded = (row, shown) => (shown === "bytes" ? bytes(row.bytes) : plural(row.conversations, "conversation"));

function drawWords(find, { title, range, shown, rows, name }, top) {
  const total = rows.reduce((sum, row) => sum + row[shown], 0);
  const all = shown === "bytes" ? bytes(total) : plural(total, "conversation");
  const busiest = rows.find((row) => row[shown] === top);
  text(find("h3"), title);
  text(find(".chart-range"), range);
  text(find(".chart-total"), all);
  text(find(".plot-top"), top ? (shown === "bytes" ? bytes(top) : count(top)) : "no data yet");
  const most = top ? `, peak at ${name(busiest.at)}: ${worded(busiest, shown)}` : "";
  attribute(find(".plot"), "aria-label", `${title}, ${range}: ${all}${most}. All values are in the table below.`);
  attribute(find(".scroll"), "aria-label", `${title}, ${range}`);
}

function drawBars(holder, { shown, rows, name }, top) {
  reconcile(
    holder,
    rows,
    (row) => row.key,
    () => make("div", { class: "bar" }, make("i")),
    (bar, row) => {
      attribute(bar, "title", `${name(row.at)}: ${worded(row, shown)}`);
      bar.firstChild.style.height = row[shown] ? `${Math.max(2, (100 * row[shown]) / top)}%` : "0";
    },
  );
}

function drawTicks(holder, { rows, name, every }) {
  const ticks = rows.filter((_, index) => (rows.length - 1 - index) % every === 0);
  reconcile(
    holder,
    ticks,
    (row) => row.key,
    () => make("span"),
    (node, row) => {
      text(node, name(row.at));
      node.style.left = `${(100 * (rows.indexOf(row) + 0.5)) / rows.length}%`;
    },
  );
}

function drawTable(body, { rows, name }) {
  const create = () =>
    make("tr", {}, make("th", { scope: "row" }), make("td", { class: "n" }), make("td", { class: "n" }));
  reconcile(
    body,
    [...rows].reverse(),
    (row) => row.key,
    create,
    (node, row) => {
      [name(row.at), count(row.conversations), bytes(row.bytes)].forEach((cell, index) =>
        text(node.children[index], cell),
      );
    },
  );
}
