/* One session, beside the results or, where there is little room, in their place. */

import { attribute, byId, root, text } from "../page/dom.js";
import { count, exact, plural, projectName } from "../page/format.js";
import { notice } from "../page/notice.js";
import { fetchJson } from "../requests.js";
import { copy } from "./copying.js";
import { blocksOf } from "./entries.js";

const LIMIT = 60;

let shown = null;

/** Opens a session at an exchange (or its beginning). `focus` moves the keyboard there. */
export async function read(session, exchange, { focus = true } = {}) {
  if (shown && shown.session === session && shown.exchange === exchange) return;
  const here = { session, exchange, first: 0, before: null, next: null, resume: "" };
  shown = here;
  root.dataset.view = "session";
  byId("session").hidden = false;
  byId("entries").replaceChildren();
  text(byId("session-title"), "Loading …");
  text(byId("session-facts"), "");
  for (const id of ["earlier", "later", "copy-resume"]) byId(id).hidden = true;
  if (focus) byId("session-title").focus();
  try {
    const around = exchange ? `&around=${encodeURIComponent(exchange)}` : "";
    const page = await ask(session, `limit=${LIMIT}${around}`);
    if (shown !== here) return;
    notice(byId("session-notice"), null);
    showFacts(page);
    here.first = page.entries.length ? page.entries[0].position : 0;
    here.before = page.before;
    byId("entries").append(...blocksOf(page.entries));
    follow(here, page);
    mark(exchange);
    byId("session-body").scrollTop = 0;
  } catch (error) {
    if (shown !== here) return;
    text(byId("session-title"), "Session");
    notice(byId("session-notice"), error);
  }
}

const ask = (session, more) => fetchJson(`/v1/sessions/${encodeURIComponent(session)}?html=true&${more}`);

function showFacts(page) {
  const { session } = page;
  shown.resume = session.resume;
  text(byId("session-title"), session.title || "(untitled)");
  const ended = session.ended_at ? exact.format(new Date(session.ended_at)) : "";
  const facts = [projectName(session.project), session.source, ended, plural(session.exchanges, "exchange")];
  text(byId("session-facts"), facts.filter(Boolean).join(" · "));
  attribute(byId("session-facts"), "title", `${session.project || ""} ${session.session_id}`.trim());
  byId("copy-resume").hidden = !session.resume;
}

function follow(here, page) {
  here.next = page.next;
  byId("earlier").hidden = here.before === null;
  byId("later").hidden = here.next === null;
  text(byId("later"), here.next === null ? "" : `Show more (${count(page.total - Number(here.next))} left)`);
}

function mark(exchange) {
  for (const node of byId("entries").children)
    attribute(node, "data-target", exchange && node.dataset.exchange === exchange ? "yes" : null);
}

async function later() {
  const here = shown;
  const page = await ask(here.session, `limit=${LIMIT}&cursor=${here.next}`);
  if (shown !== here) return;
  byId("entries").append(...blocksOf(page.entries));
  follow(here, page);
  mark(here.exchange);
}

async function earlier() {
  const here = shown;
  const cursor = Math.max(0, here.first - LIMIT);
  const page = await ask(here.session, `limit=${here.first - cursor}&cursor=${cursor}`);
  if (shown !== here) return;
  const body = byId("session-body");
  const height = body.scrollHeight;
  byId("entries").prepend(...blocksOf(page.entries.filter((entry) => entry.position < here.first)));
  body.scrollTop += body.scrollHeight - height; // what was read stays where it was
  here.first = cursor;
  here.before = cursor > 0 ? String(cursor) : null;
  byId("earlier").hidden = here.before === null;
  mark(here.exchange);
}

export const isReading = () => shown !== null;

export function close() {
  shown = null;
  root.dataset.view = "list";
  byId("session").hidden = true;
  byId("entries").replaceChildren();
}

export function startReader(leave) {
  byId("back").addEventListener("click", leave);
  byId("copy-address").addEventListener("click", (event) => copy(event.currentTarget, location.href));
  byId("copy-resume").addEventListener("click", (event) => copy(event.currentTarget, shown.resume));
  for (const [id, work] of [
    ["later", later],
    ["earlier", earlier],
  ])
    byId(id).addEventListener("click", () => work().catch((error) => notice(byId("session-notice"), error)));
}
