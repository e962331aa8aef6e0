/* The issues below the banner. */

import { rootCause } from "./causes.js";
import { byId, make, reconcile, text } from "../page/dom.js";
import { plural } from "../page/format.js";

export function renderIssues(health) {
  const reason = rootCause(health);
  const issues = health.issues.filter((issue) => issue !== reason);
  byId("issues").hidden = !issues.length;
  text(byId("issues-title"), health.status === "healthy" ? "Worth knowing" : plural(issues.length, "more issue"));
  // Numbers within an issue count up; its place, not its words, tells which one it is.
  const rows = issues.map((words, place) => ({ words, place }));
  reconcile(
    byId("issues-list"),
    rows,
    (row) => row.place,
    () => make("li"),
    (node, row) => text(node, row.words),
  );
}
