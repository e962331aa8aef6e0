/* Times as elements: local, with UTC in the title. */

import { attribute, make, text } from "./dom.js";
import { short, span } from "./format.js";
import { now } from "../state.js";

/** A <time>: local, with UTC in its title. */
export function when(iso, format = short) {
  if (!iso) return make("span", {}, "no time");
  return setWhen(make("time"), iso, format);
}

export function setWhen(element, iso, format = short) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return text(element, iso);
  attribute(element, "datetime", iso);
  attribute(
    element,
    "title",
    `${date
      .toISOString()
      .replace("T", " ")
      .replace(/\.\d+Z/, "")} UTC`,
  );
  return text(element, format.format(date));
}

export function setSince(holder, iso) {
  if (!holder.querySelector("time")) holder.replaceChildren("since ", make("time"), make("span"));
  setWhen(holder.querySelector("time"), iso);
  text(holder.querySelector("span"), ` · for ${span(Math.floor((now() - Date.parse(iso)) / 1000))}`);
}
