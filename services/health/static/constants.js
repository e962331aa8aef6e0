/* What more than one part of the page needs to agree on. */

export const API = "/v1/autosave";
export const STAGES = ["watcher", "embedder", "writer"];
export const WORDS = {
  healthy: "Healthy",
  degraded: "Degraded",
  unhealthy: "Unhealthy",
  unknown: "Unknown",
  lost: "Connection lost",
};
export const PAGE = 20;
export const MOST = 100;
export const SILENT_BEAT = 30;
export const HOUR = 3600000;
export const DAY = 86400000;

export const known = (status) => (Object.hasOwn(WORDS, status) ? status : "unknown");
