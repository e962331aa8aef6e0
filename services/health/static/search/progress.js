/* How things stand: the status of the pipeline in a word, and what is still to be embedded. */

import { byId, text } from "../page/dom.js";
import { count, span } from "../page/format.js";
import { WORDS, known } from "../constants.js";

const EVERY_MS = 5000;
const SAMPLES = 24;

let samples = [];

/** Calls `changed` when something was saved since the last look. */
export function startProgress(changed, found) {
  let stored = null;
  const look = async () => {
    if (document.hidden) return;
    showStatus(await open("/v1/autosave/health").then((health) => health?.status));
    const ledger = await open("/v1/autosave/ledger");
    if (!ledger) return;
    found(Object.keys(ledger.sources));
    showEmbedding(ledger.total);
    if (stored !== null && stored !== ledger.total.stored_bytes) changed();
    stored = ledger.total.stored_bytes;
  };
  look();
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
}

/** An answer that everybody may read; null while there is none. */
async function open(path) {
  try {
    const answer = await fetch(path, { cache: "no-store", credentials: "omit" });
    return answer.headers.get("content-type")?.includes("json") ? await answer.json() : null;
  } catch {
    return null;
  }
}

function showStatus(status) {
  const name = status === undefined ? "lost" : known(status);
  byId("status").dataset.status = name;
  text(byId("status-words"), WORDS[name]);
}

function showEmbedding({ texts, embedded }) {
  const left = texts - embedded;
  byId("embedding").hidden = !(left > 0);
  if (!(left > 0)) {
    samples = [];
    return;
  }
  samples = [...samples, [performance.now(), embedded]].slice(-SAMPLES);
  const [first, last] = [samples[0], samples[samples.length - 1]];
  const perSecond = ((last[1] - first[1]) / (last[0] - first[0])) * 1000;
  const eta = perSecond > 0 ? `, about ${span(left / perSecond)} left` : "";
  byId("embedding-bar").value = texts ? embedded / texts : 0;
  const parts = `${count(embedded)} of ${count(texts)} texts embedded${eta}`;
  text(byId("embedding-words"), `${parts}. Words are found already; meaning follows.`);
}
