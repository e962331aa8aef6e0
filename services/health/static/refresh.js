/* All panels together: what is shown from each report, and what is asked for anew after it. */

import { renderBanner, renderTotals } from "./panels/banner.js";
import { renderChips } from "./panels/chips.js";
import { refreshRecent } from "./panels/conversations.js";
import { followRetries, refreshLetters } from "./panels/dead-letters.js";
import { refreshImports } from "./history/imports.js";
import { refreshHosts } from "./panels/hosts.js";
import { renderInstances } from "./panels/instances.js";
import { renderIssues } from "./panels/issues.js";
import { renderLedger } from "./panels/ledger.js";
import { renderStages } from "./panels/stages.js";
import { state } from "./state.js";
import { refreshChanges } from "./history/timeline.js";

export function render() {
  const { health, stats } = state.live;
  renderBanner();
  renderTotals(stats);
  renderIssues(health);
  renderChips(health);
  renderStages();
  renderInstances();
  renderLedger();
  followRetries(state.live.retries);
}

const lettersKey = (live) => JSON.stringify([live.deadletters, live.retries.map(([sequence]) => sequence)]);
const changesKey = (live) => (live.changes.length ? `${live.changes[0].component} ${live.changes[0].at}` : "");

export function refreshChanged(live) {
  if (live.counted !== state.counted) refreshCounted();
  if (lettersKey(live) !== state.letters) refreshLetters();
  if (changesKey(live) !== state.changes) refreshChanges();
}

/** What the lists were asked for after: the next report is compared with it. */
export function noteRefreshed(live) {
  state.counted = live.counted;
  state.letters = lettersKey(live);
  state.changes = changesKey(live);
}

/** Before the first count after a start there is nothing to show; what is shown stays until then. */
function refreshCounted() {
  if (!state.live || !state.live.counted) return;
  refreshRecent();
  refreshImports();
  refreshHosts();
}

export function refreshContent() {
  refreshCounted();
  refreshLetters();
}

export function refreshAll() {
  refreshContent();
  refreshChanges();
}
