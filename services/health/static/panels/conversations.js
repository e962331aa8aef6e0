/* Recent conversations. */

import { MOST, PAGE } from "../constants.js";
import { attribute, byId, make, reconcile, text } from "../page/dom.js";
import { count, firstLine, plural, projectName } from "../page/format.js";
import { notice } from "../page/notice.js";
import { read } from "./reader.js";
import { ask, single } from "../requests.js";
import { state } from "../state.js";
import { setWhen } from "../page/times.js";

function createConversation(one) {
  const button = make(
    "button",
    { type: "button", class: "talk", "aria-haspopup": "dialog", onclick: () => read(one.exchange_id, button) },
    make("span", { class: "talk-prompt" }),
    make("span", { class: "talk-answer" }),
    make(
      "span",
      { class: "talk-meta" },
      make("span", { class: "tag" }),
      make("span", { class: "talk-project" }),
      make("time"),
      make("span", { class: "talk-tools" }),
    ),
  );
  return make("li", {}, button);
}

function updateConversation(node, one) {
  const find = (selector) => node.querySelector(selector);
  text(find(".talk-prompt"), firstLine(one.prompt));
  text(find(".talk-answer"), one.answer ? firstLine(one.answer) : "no answer yet");
  text(find(".tag"), one.source);
  text(find(".talk-project"), projectName(one.project));
  attribute(find(".talk-project"), "title", one.project);
  if (one.started_at) setWhen(find("time"), one.started_at);
  else text(find("time"), "no time");
  text(find(".talk-tools"), one.tools.length ? plural(one.tools.length, "tool call") : "");
}

async function pages(most) {
  const found = new Map();
  let total = 0;
  for (let offset = 0; offset < most; offset += MOST) {
    const page = await ask(`recent?limit=${Math.min(MOST, most - offset)}&offset=${offset}`);
    for (const one of page.conversations) found.set(one.exchange_id, one);
    total = page.total;
    if (page.next === null) break;
  }
  return { conversations: [...found.values()], total };
}

export const refreshRecent = single(async () => {
  try {
    const { conversations, total } = await pages(state.shown);
    notice(byId("recent-notice"), null);
    reconcile(byId("recent"), conversations, (one) => one.exchange_id, createConversation, updateConversation);
    text(byId("recent-count"), total ? `${count(conversations.length)} of ${count(total)}` : "none yet");
    showMore(conversations.length < total);
  } catch (error) {
    if (error.status === 401) byId("recent").replaceChildren();
    if (state.link === "live" || error.status) notice(byId("recent-notice"), error);
    showMore(false);
    throw error;
  }
});

/** A focused button that goes away takes the focus with it: the last entry has it then. */
function showMore(wanted) {
  const focused = document.activeElement === byId("more");
  byId("more").hidden = !wanted;
  if (focused && !wanted) byId("recent").lastElementChild?.firstElementChild.focus({ preventScroll: true });
}

export function startConversations() {
  byId("more").addEventListener("click", () => {
    state.shown += PAGE;
    refreshRecent();
  });
}
