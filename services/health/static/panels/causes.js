/* The one sentence that says why the status is what it is. */

import { STAGES } from "../constants.js";

/** The sentence of the worst component: a cause comes before its consequences. */
export function rootCause(health) {
  if (health.status === "healthy") return "All stages are healthy.";
  const away = health.bus.status !== "reachable" || health.database.status !== "reachable";
  const worst = [...STAGES, "canary"].find((name) => (health.stages[name] || health.canary).status === health.status);
  const named = !away && worst && health.issues.find((issue) => issue.startsWith(`${worst}: `));
  return named || health.issues[0] || "No reason was given.";
}
