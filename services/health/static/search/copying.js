/* Buttons that copy a text. */

import { byId, make, text } from "../page/dom.js";

const TOLD_MS = 1500;

export function copyButton(words, name = "Copy") {
  const button = make("button", { type: "button", class: "copy", "aria-label": name, onclick: () => copy(button, words()) }, "Copy");
  return button;
}

export async function copy(button, words) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(words);
    told(button, before, "Copied");
  } catch {
    told(button, before, "Not allowed");
  }
}

function told(button, before, words) {
  if (button.dataset.told) return;
  button.dataset.told = "yes";
  text(button, words);
  text(byId("spoken"), words);
  setTimeout(() => {
    text(button, before);
    delete button.dataset.told;
  }, TOLD_MS);
}
