/* The saved theme, before the first paint: a plain script, because modules wait for the whole page. */

"use strict";

try {
  const saved = localStorage.getItem("mnemo-theme");
  if (saved === "dark" || saved === "light") document.documentElement.dataset.theme = saved;
} catch {
  /* a browser that stores nothing: the theme of the system */
}
