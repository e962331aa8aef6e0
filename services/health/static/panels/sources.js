/* The ledger by assistant, as a table that is folded. */

import { attribute, byId, make, reconcile, text } from "../page/dom.js";
import { bytes, count, plural } from "../page/format.js";
import { state } from "../state.js";

export function renderSources(ledger) {
  if (!byId("sources").open) return;
  const create = () =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }),
      ...Array.from({ length: 8 }, () => make("td", { class: "n" })),
      make("td"),
    );
  reconcile(
    byId("sources-rows"),
    Object.entries(ledger.sources),
    ([name]) => name,
    create,
    (row, [name, account]) => {
      const gap = gapWords(account.gaps);
      const cells = [
        name,
        count(account.files),
        bytes(account.disk_bytes),
        bytes(account.captured_bytes),
        bytes(account.published_bytes),
        bytes(account.log_bytes),
        bytes(account.stored_bytes),
        count(account.texts),
        count(account.embedded),
        gap || "none",
      ];
      cells.forEach((cell, index) => text(row.children[index], cell));
      attribute(row, "class", gap ? "poor" : "");
    },
  );
}

function gapWords(gaps) {
  const missing = gaps.uncaptured_bytes + gaps.unpublished_bytes + gaps.unstored_bytes;
  const texts = gaps.unembedded_texts;
  return [missing ? bytes(missing) : "", texts ? plural(texts, "text") : ""].filter(Boolean).join(", ");
}

export function startSources() {
  byId("sources").addEventListener("toggle", () => state.live && renderSources(state.live.ledger));
}
