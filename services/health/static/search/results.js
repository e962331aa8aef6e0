/* The list: hits of a query, or the latest sessions where nothing is asked. */

import { byId, make, text } from "../page/dom.js";
import { count, firstLine, plural, projectName } from "../page/format.js";
import { notice } from "../page/notice.js";
import { when } from "../page/times.js";
import { fetchJson } from "../requests.js";
import { FILTERS, addressOf } from "./address.js";

const LIMIT = 20;
const NAMES = { words: "words", meaning: "meaning", exact: "exact text" };

let asking = null;
let next = null;
let view = null;

/** Asks anew; what was asked before and is not answered yet is given up. */
export async function find(wanted, { quietly = false } = {}) {
  view = wanted;
  await load(null, quietly);
}

async function load(cursor, quietly = false) {
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  if (!quietly) document.body.setAttribute("aria-busy", "true");
  try {
    const page = await fetchJson(requestOf(view, cursor), { signal: mine.signal });
    if (asking !== mine) return;
    notice(byId("found-notice"), null);
    show(page, cursor !== null, quietly);
  } catch (error) {
    if (asking !== mine || mine.signal.aborted) return;
    byId("hits").replaceChildren();
    byId("more").hidden = true;
    text(byId("found-count"), "");
    notice(byId("found-notice"), error);
  } finally {
    if (asking === mine) document.body.removeAttribute("aria-busy");
  }
}

function requestOf(asked, cursor) {
  const parameters = new URLSearchParams({ limit: String(LIMIT) });
  const names = asked.q ? ["q", ...FILTERS] : ["assistant", "project", "since"];
  for (const name of names) if (asked[name]) parameters.set(name, asked[name]);
  if (cursor !== null) parameters.set("cursor", cursor);
  return `/v1/${asked.q ? "search" : "sessions"}?${parameters}`;
}

function show(page, more, quietly) {
  const searching = Boolean(view.q);
  const items = (page.hits || page.sessions).map((one) => make("li", {}, searching ? hit(one) : session(one)));
  const focused = quietly && document.activeElement?.closest("#hits li a")?.getAttribute("href");
  if (more) byId("hits").append(...items);
  else byId("hits").replaceChildren(...items);
  if (focused) [...byId("hits").querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  if (more) items[0]?.firstElementChild.focus();
  next = page.next;
  byId("more").hidden = next === null;
  text(byId("found-title"), searching ? "Results" : "Latest sessions");
  const shown = byId("hits").children.length;
  const words = searching ? told(page, shown) : page.total ? `${count(shown)} of ${count(page.total)}` : "none yet";
  text(byId("found-count"), words);
  if (!quietly) text(byId("spoken"), searching ? `${plural(shown, "result")}. ${words}` : "");
  current();
}

function told(page, shown) {
  if (!shown) return page.note ? `Nothing found; ${page.note}` : "Nothing found";
  const what = view.by === "exchange" ? "exchange" : "session";
  return `${plural(shown, what)}${page.next === null ? "" : " and more"}${page.note ? ` · ${page.note}` : ""}`;
}

function entry(one, session, exchange, ...children) {
  const href = addressOf({ ...view, session, at: exchange });
  return make("a", { class: "hit", href, "data-session": session, "data-at": exchange }, ...children);
}

function facts(assistant, project, at, ...more) {
  const tags = more.map((words) => make("span", { class: "tag" }, words));
  const folder = make("span", { title: project || "" }, projectName(project));
  return make("span", { class: "hit-facts" }, folder, make("span", {}, assistant), when(at), ...tags);
}

function hit(one) {
  const place = one.tool ? `${one.where} (${one.tool})` : one.where;
  return entry(
    one,
    one.session_id,
    one.exchange_id,
    make("span", { class: "hit-title" }, firstLine(one.title, 160)),
    facts(one.assistant, one.project, one.started_at, ...one.why.map((why) => NAMES[why] || why)),
    make("span", { class: "hit-snippet" }, make("span", { class: "hit-place" }, `${place}: `), ...marked(one)),
  );
}

/** The snippet with its matches; the service counts code points. */
function marked(one) {
  const characters = Array.from(one.snippet);
  const parts = [];
  let at = 0;
  for (const [begin, stop] of one.marks) {
    if (begin < at) continue;
    parts.push(characters.slice(at, begin).join(""), make("mark", {}, characters.slice(begin, stop).join("")));
    at = stop;
  }
  return [...parts, characters.slice(at).join("")];
}

function session(one) {
  return entry(
    one,
    one.session_id,
    "",
    make("span", { class: "hit-title" }, firstLine(one.title, 160)),
    facts(one.source, one.project, one.ended_at, plural(one.exchanges, "exchange")),
  );
}

/** The hit that is being read. */
export function current(session = view?.session, exchange = view?.at) {
  for (const link of byId("hits").querySelectorAll("a")) {
    const same = session && link.dataset.session === session && (!link.dataset.at || link.dataset.at === exchange);
    if (same) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

export const readingAt = (session, at) => {
  view = { ...view, session, at };
  current();
};

/** Moves the focus by so many results. */
export function step(by) {
  const links = [...byId("hits").querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const marked = links.findIndex((link) => link.hasAttribute("aria-current"));
  const from = at >= 0 ? at : marked;
  const to = from < 0 ? 0 : Math.min(links.length - 1, Math.max(0, from + by));
  links[to]?.focus();
}

export function startResults(open) {
  byId("hits").addEventListener("click", (event) => {
    const link = event.target.closest("a.hit");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link.dataset.session, link.dataset.at);
  });
  byId("more").addEventListener("click", () => load(next));
}
