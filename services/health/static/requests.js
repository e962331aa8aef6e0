/* Requests to the API. */

import { API } from "./constants.js";
import { state } from "./state.js";

const ASK_MS = 20000;
const AGAIN_MS = 5000;

class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

/** What is only answered with the token. */
const CONTENT = /^\/v1\/(autosave\/(recent|conversation|deadletters|hosts)|search|sessions|projects)\b/;

export const ask = (path, options = {}) => fetchJson(`${API}/${path}`, options);

/** The JSON at an address of this service. */
export async function fetchJson(address, { signal, ...options } = {}) {
  if (!state.token && CONTENT.test(address)) throw new Refused(401, "content needs the token");
  const headers = { Accept: "application/json" };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  const answer = await fetch(address, {
    ...options,
    headers,
    cache: "no-store",
    credentials: "omit",
    signal: signal ? AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]) : AbortSignal.timeout(ASK_MS),
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body.detail || body.title || `HTTP ${answer.status}`);
  return body;
}

/** One refresh at a time of each kind; what is asked for meanwhile is done once more, what fails is done later. */
export function single(work) {
  let running = false;
  let again = false;
  let later = 0;
  const run = async () => {
    again = true;
    if (running) return;
    running = true;
    clearTimeout(later);
    try {
      while (again) {
        again = false;
        await work();
      }
    } catch (error) {
      // After a lost connection all is asked for anew anyway; a token is waited for.
      if (error.status !== 401 && state.link === "live") later = setTimeout(run, AGAIN_MS);
    } finally {
      running = false;
    }
  };
  return run;
}
