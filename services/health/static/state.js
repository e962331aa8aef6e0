/* What the page knows at the moment, shared by all parts. */

import { PAGE, STAGES } from "./constants.js";

export const state = {
  live: null,
  at: 0,
  pace: 0,
  fresh: true,
  stamp: "",
  link: "waiting",
  refusal: "",
  spoken: "",
  token: "",
  counted: undefined,
  letters: undefined,
  changes: undefined,
  shown: PAGE,
  history: [],
  imports: null,
  measure: "",
  lags: Object.fromEntries(STAGES.map((stage) => [stage, []])),
};

/** The time of the service, so that a wrong clock here does not make ages wrong. */
export const now = () => (state.live ? Date.parse(state.live.health.timestamp) + (Date.now() - state.at) : Date.now());

/** The work that waits for a stage; a backlog that is not known counts as nothing. */
export const waitingOf = (lag) => (lag.pending ?? 0) + lag.ack_pending;
