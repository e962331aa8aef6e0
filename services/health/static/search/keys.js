/* The keyboard. */

import { byId } from "../page/dom.js";
import { step } from "./results.js";

const typing = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

export function startKeys(back) {
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("help-close").addEventListener("click", () => byId("help").close());
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") return done(event, toQuery);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return done(event, back);
    if (event.target === byId("q") && event.key === "ArrowDown") return done(event, () => step(1));
    if (typing(event.target)) return;
    const work = { "/": toQuery, j: () => step(1), k: () => step(-1), "?": () => byId("help").showModal() }[event.key];
    if (work) done(event, work);
  });
}

function done(event, work) {
  event.preventDefault();
  work();
}

function toQuery() {
  byId("q").focus();
  byId("q").select();
}
