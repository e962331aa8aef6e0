/* The page that people use daily: search, and read. Everything is put in as text, or passes markup.js. */

import { startAppearance } from "../page/appearance.js";
import { byId, make, text } from "../page/dom.js";
import { fetchJson } from "../requests.js";
import { startToken } from "../token.js";
import { FILTERS, readAddress, writeAddress } from "./address.js";
import { startKeys } from "./keys.js";
import { startProgress } from "./progress.js";
import { close, isReading, read, startReader } from "./reader.js";
import { current, find, readingAt, startResults } from "./results.js";

const TYPED_MS = 140;

let view = readAddress();
let typed = 0;
let opener = null;

function showForm() {
  byId("q").value = view.q;
  for (const name of FILTERS) {
    const field = byId(name);
    if (field.tagName === "SELECT" && view[name] && ![...field.options].some((option) => option.value === view[name]))
      field.append(make("option", { value: view[name] }, view[name]));
    field.value = view[name];
  }
  byId("reset").hidden = !FILTERS.some((name) => view[name]);
  document.title = `${view.q || "Search"} – Mnemostream`;
}

/** Shows what the address asks for. */
function showView({ focus = false } = {}) {
  showForm();
  find(view);
  if (view.session) read(view.session, view.at, { focus });
  else close();
}

function asked() {
  clearTimeout(typed);
  typed = 0;
  const before = view;
  view = { ...view, q: byId("q").value.trim(), session: "", at: "" };
  for (const name of FILTERS) view[name] = byId(name).value.trim();
  writeAddress(view, { replace: before.q !== "" && view.q !== "" });
  showForm();
  close();
  find(view);
}

function open(session, at) {
  if (typed) asked(); // what was typed a moment before is kept: it stands in the address, and the list follows
  opener = document.activeElement;
  view = { ...view, session, at };
  writeAddress(view);
  readingAt(session, at);
  read(session, at);
}

function leave() {
  if (!isReading()) return false;
  view = { ...view, session: "", at: "" };
  writeAddress(view);
  close();
  readingAt("", "");
  if (opener?.isConnected) opener.focus();
  else byId("hits").querySelector("a")?.focus();
  return true;
}

/** Escape, step by step: out of the session, then of the query. */
function back() {
  if (leave()) return;
  if (byId("q").value) {
    byId("q").value = "";
    asked();
  }
  byId("q").focus();
}

async function loadProjects() {
  try {
    const { projects } = await fetchJson("/v1/projects?limit=100");
    byId("projects").replaceChildren(...projects.map(({ project }) => make("option", { value: project })));
  } catch {
    /* only suggestions: what is typed counts */
  }
}

function nameAssistants(names) {
  const known = new Set([...byId("assistant").options].map((option) => option.value));
  for (const name of names.sort()) if (!known.has(name)) byId("assistant").append(make("option", { value: name }, name));
}

function startForm() {
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    asked();
  });
  const soon = () => {
    clearTimeout(typed);
    typed = setTimeout(asked, TYPED_MS);
  };
  byId("q").addEventListener("input", soon);
  for (const name of FILTERS)
    byId(name).addEventListener(byId(name).tagName === "SELECT" ? "change" : "input", soon);
  byId("reset").addEventListener("click", () => {
    for (const name of FILTERS) byId(name).value = "";
    asked();
    byId("q").focus();
  });
  byId("home").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    view = Object.fromEntries(Object.keys(view).map((name) => [name, ""]));
    writeAddress(view);
    showView();
  });
}

startToken(() => {
  showView();
  loadProjects();
});
startAppearance();
startForm();
startResults(open);
startReader(leave);
startKeys(back);
startProgress(() => {
  if (!view.q && !isReading()) find(view, { quietly: true });
}, nameAssistants);
addEventListener("popstate", () => {
  view = readAddress();
  showView({ focus: Boolean(view.session) });
  current();
});
text(byId("found-count"), "");
showView();
loadProjects();
if (!view.session) byId("q").focus();
