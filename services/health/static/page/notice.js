/* The notice above a list, with a way to enter the token. */

import { make } from "./dom.js";
import { state } from "../state.js";
import { askToken } from "../token.js";

/** What stands above a list when it cannot be shown. */
export function notice(holder, error) {
  if (!error) {
    holder.replaceChildren();
    return;
  }
  const closed = error.status === 401;
  const words = closed
    ? state.token
      ? "The token was not accepted."
      : "Token needed to show this content. `mnemo dashboard` prints the address of this page with the token."
    : `Could not be loaded: ${error.message}`;
  if (holder.dataset.words === words && holder.firstChild) return;
  holder.dataset.words = words;
  const button = closed
    ? make(
        "button",
        { type: "button", onclick: () => askToken("Content is only shown with the health service's token.") },
        "Enter token",
      )
    : null;
  holder.replaceChildren(make("div", { class: "notice" }, make("p", {}, words), button));
}
