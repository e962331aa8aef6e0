/* What the browser stores: the theme for long, the token for this tab. */

function stored(box, name, value) {
  try {
    if (value === undefined) return box().getItem(name) || "";
    if (value) box().setItem(name, value);
    else box().removeItem(name);
  } catch {
    /* a browser that keeps nothing: the choice lasts as long as the page */
  }
  return value || "";
}

export const local = (name, value) => stored(() => localStorage, name, value);
export const session = (name, value) => stored(() => sessionStorage, name, value);
