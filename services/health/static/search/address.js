/* The address of the page says all that it shows: query, filters, session, exchange. */

export const FILTERS = ["assistant", "project", "since", "role", "tool", "file", "by", "mode"];
const ALL = ["q", ...FILTERS, "session", "at"];

/** What the address asks for; "" where it says nothing. */
export function readAddress() {
  const asked = new URLSearchParams(location.search);
  return Object.fromEntries(ALL.map((name) => [name, asked.get(name) || ""]));
}

/** The address of a view. */
export function addressOf(view) {
  const asked = new URLSearchParams();
  for (const name of ALL) if (view[name]) asked.set(name, view[name]);
  const query = asked.toString();
  return query ? `/?${query}` : "/";
}

export function writeAddress(view, { replace = false } = {}) {
  const address = addressOf(view);
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}
