/* The token of the health service, and the dialog that asks for it. */

import { attribute, byId, make, text } from "./page/dom.js";
import { state } from "./state.js";
import { session } from "./page/storage.js";

let afterToken = null;
let changed = () => {};

/** `#token=…` in the address, once; it leaves the address bar at once so that it is in no bookmark or history. */
function tokenFromAddress() {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (!match) return false;
  let given = match[1];
  try {
    given = decodeURIComponent(given);
  } catch {
    /* a token with a lone per cent sign is meant as it stands */
  }
  session("mnemo-token", given);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

export function askToken(words, then = null) {
  afterToken = then;
  text(byId("asker-words"), words);
  byId("asker-input").value = "";
  byId("asker-forget").hidden = !state.token;
  if (!byId("asker").open) byId("asker").showModal();
  byId("asker-input").focus();
}

function useToken(value) {
  state.token = session("mnemo-token", value);
  showTokenButton();
  byId("asker").close();
  changed();
  const then = afterToken;
  afterToken = null;
  if (value && then) then();
}

function showTokenButton() {
  text(byId("token-button"), state.token ? "Token ✓" : "Token");
  attribute(byId("token-button"), "aria-label", state.token ? "Token, set" : "Token, not set");
  attribute(
    byId("token-button"),
    "title",
    state.token ? "A token is stored in this tab" : "Enter the health service's token",
  );
}

function cancelled() {
  afterToken = null;
}

function dialog() {
  const button = (words, attributes) => make("button", { type: "button", class: "quiet", ...attributes }, words);
  return make(
    "dialog",
    { id: "asker", class: "asker", "aria-labelledby": "asker-title", oncancel: cancelled },
    make(
      "form",
      { id: "asker-form" },
      make("h2", { id: "asker-title" }, "Enter the token"),
      make("p", { id: "asker-words" }),
      make("label", { for: "asker-input" }, "Token"),
      make("input", { type: "password", id: "asker-input", autocomplete: "off", spellcheck: "false" }),
      make(
        "p",
        { class: "hint" },
        make("code", {}, "mnemo dashboard --open"),
        " opens this page with the token of this machine; ",
        make("code", {}, "mnemo dashboard"),
        " prints it behind ",
        make("code", {}, "#token="),
        ". In compose it is in ",
        make("code", {}, ".secrets/health_token"),
        ". It is kept in this tab only, until you close it.",
      ),
      make(
        "div",
        { class: "buttons" },
        button("Forget", { id: "asker-forget" }),
        make("span", { class: "grow" }),
        button("Cancel", { id: "asker-cancel" }),
        button("Use token", { type: "submit", class: "primary" }),
      ),
    ),
  );
}

/** `refresh` is called whenever there is another token. */
export function startToken(refresh) {
  changed = refresh;
  document.body.append(dialog());
  tokenFromAddress();
  state.token = session("mnemo-token");
  showTokenButton();
  byId("token-button").addEventListener("click", () =>
    askToken("Sent with every request of this page; needed to show content and to retry or drop dead letters."),
  );
  byId("asker-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken(byId("asker-input").value.trim());
  });
  byId("asker-cancel").addEventListener("click", () => {
    cancelled();
    byId("asker").close();
  });
  byId("asker-forget").addEventListener("click", () => useToken(""));
  byId("asker").addEventListener("close", () => {
    byId("asker-input").value = "";
  });
  addEventListener("hashchange", () => {
    if (tokenFromAddress()) useToken(session("mnemo-token"));
  });
}
