/* The button that switches between light and dark; theme.js applies what it saved. */

import { attribute, byId, root, text } from "./dom.js";
import { local } from "./storage.js";

function dark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  text(byId("theme-button"), dark() ? "Light" : "Dark");
  attribute(byId("theme-button"), "aria-label", `Switch to ${dark() ? "light" : "dark"} theme`);
}

function switchTheme() {
  root.dataset.theme = local("mnemo-theme", dark() ? "light" : "dark");
  showTheme();
}

export function startAppearance() {
  showTheme();
  byId("theme-button").addEventListener("click", switchTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
}
