"use strict";

/* The dashboard. Everything that is shown is put in as text, never as markup: transcripts are hostile input. */

(() => {
  const API = "/v1/autosave";
  const STAGES = ["watcher", "embedder", "writer"];
  const STRIPS = ["overall", "bus", "database", ...STAGES, "canary"];
  const WORDS = {
    healthy: "Healthy",
    degraded: "Degraded",
    unhealthy: "Unhealthy",
    unknown: "Unknown",
    lost: "Connection lost",
  };
  const SIGNS = { healthy: "✓", degraded: "!", unhealthy: "✕", unknown: "?", lost: "✕" };
  const DOES = {
    watcher: "reads transcripts from disk into the log",
    embedder: "turns texts into vectors",
    writer: "stores rows and vectors",
  };
  const TOOLS = new Set(["tool_call", "tool_result", "subagent_call"]);
  const RETRYABLE = new Set(["embedder", "writer"]);
  const PAGE = 20;
  const MOST = 100;
  const CHANGES = 1000;
  const SILENT_MS = 6000;
  const MOST_SILENT_MS = 15000;
  const REOPEN_MS = 15000;
  const SILENT_BEAT = 30;
  const RETRY_MS = 6000;
  const ASK_MS = 20000;
  const AGAIN_MS = 5000;
  const DAY = 86400000;
  const HOUR = 3600000;
  const SVG = "http://www.w3.org/2000/svg";
  const root = document.documentElement;

  // --- theme: before the first paint ---------------------------------------------------------------------------

  const stored = (box, name, value) => {
    try {
      if (value === undefined) return box().getItem(name) || "";
      if (value) box().setItem(name, value);
      else box().removeItem(name);
    } catch {
      /* a browser that keeps nothing: the choice lasts as long as the page */
    }
    return value || "";
  };
  const local = (name, value) => stored(() => localStorage, name, value);
  const session = (name, value) => stored(() => sessionStorage, name, value);

  const savedTheme = local("mnemo-theme");
  if (savedTheme === "dark" || savedTheme === "light") root.dataset.theme = savedTheme;

  // --- small parts ---------------------------------------------------------------------------------------------

  const byId = (id) => document.getElementById(id);

  /** An element with attributes and children; texts become text nodes. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== null && value !== false)
        element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function makeSvg(tag, attributes = {}, ...children) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  /** Sets only what differs: untouched nodes keep selection, focus and scroll position. */
  function text(element, value) {
    const words = String(value ?? "");
    if (element.textContent !== words) element.textContent = words;
    return element;
  }

  function attribute(element, name, value) {
    if (value === null || value === undefined || value === "") element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
    return element;
  }

  /** Children of `parent` follow `items`; a node of an item that stays is kept where it is. */
  function reconcile(parent, items, keyOf, create, update) {
    const known = new Map();
    for (const child of [...parent.children]) known.set(child.dataset.key, child);
    const wanted = new Set(items.map((item) => String(keyOf(item))));
    for (const [key, child] of known) if (!wanted.has(key)) child.remove();
    const focused = document.activeElement;
    let cursor = parent.firstElementChild;
    for (const item of items) {
      const key = String(keyOf(item));
      let node = known.get(key);
      if (!node) {
        node = create(item);
        node.dataset.key = key;
        parent.insertBefore(node, cursor);
      } else if (node === cursor) {
        cursor = cursor.nextElementSibling;
      } else {
        parent.insertBefore(node, cursor);
      }
      update(node, item);
    }
    if (focused && focused !== document.activeElement && parent.contains(focused))
      focused.focus({ preventScroll: true });
  }

  /** Shape as well as colour: a tick, a triangle, an octagon, a diamond, a torn line. */
  function icon(status) {
    const svg = makeSvg("svg", {
      viewBox: "0 0 24 24",
      class: `icon ${status}`,
      "aria-hidden": "true",
      focusable: "false",
    });
    const shapes = {
      healthy: ["M12 1.5a10.5 10.5 0 1 1 0 21 10.5 10.5 0 0 1 0-21Z", "M7 12.4l3.4 3.4L17 9"],
      degraded: [
        "M12 2.2c.7 0 1.3.4 1.7 1l9 16a1.9 1.9 0 0 1-1.7 2.9H3a1.9 1.9 0 0 1-1.7-2.9l9-16c.4-.6 1-1 1.7-1Z",
        "M12 9v5.5M12 18v.1",
      ],
      unhealthy: ["M7.6 1.5h8.8l6.1 6.1v8.8l-6.1 6.1H7.6l-6.1-6.1V7.6Z", "M8.3 8.3l7.4 7.4M15.7 8.3l-7.4 7.4"],
      unknown: ["M12 1l11 11-11 11L1 12Z", "M9.4 9.6c0-1.5 1.1-2.5 2.6-2.5s2.6 1 2.6 2.4c0 2-2.6 2-2.6 4.2M12 16.9v.1"],
      lost: ["M12 1.5a10.5 10.5 0 1 1 0 21 10.5 10.5 0 0 1 0-21Z", "M5.5 12h3.5M15 12h3.5M10.6 16l2.8-8"],
    };
    const [outline, sign] = shapes[status] || shapes.unknown;
    svg.append(makeSvg("path", { d: outline, class: "shape" }), makeSvg("path", { d: sign, class: "sign" }));
    return svg;
  }

  function setIcon(holder, status) {
    if (holder.dataset.icon === status) return;
    holder.dataset.icon = status;
    holder.replaceChildren(icon(status));
  }

  const known = (status) => (Object.hasOwn(WORDS, status) ? status : "unknown");

  // --- numbers, sizes, times -----------------------------------------------------------------------------------

  const integer = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const decimal = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });
  const short = new Intl.DateTimeFormat(undefined, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
  });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

  const count = (value) => (value === null || value === undefined ? "–" : integer.format(value));
  const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

  function bytes(value) {
    if (value === null || value === undefined) return "–";
    const units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let size = value;
    let unit = 0;
    while (Math.abs(size) >= 999.5 && unit < units.length - 1) {
      size /= 1000;
      unit += 1;
    }
    const digits = unit === 0 || Math.abs(size) >= 100 ? 0 : 1;
    return `${size.toFixed(digits)} ${units[unit]}`;
  }

  function span(seconds) {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
    const whole = Math.max(0, seconds);
    if (whole < 1) return whole === 0 ? "0 s" : `${Math.max(1, Math.round(whole * 1000))} ms`;
    if (whole < 90) return `${Math.round(whole)} s`;
    if (whole < 5400) return `${Math.round(whole / 60)} min`;
    if (whole < 172800) return `${decimal.format(whole / 3600)} h`;
    return `${decimal.format(whole / 86400)} days`;
  }

  function rate(value) {
    if (!value) return "0 /s";
    if (value < 0.1) return `${decimal.format(value * 60)} /min`;
    return `${value < 10 ? decimal.format(value) : integer.format(value)} /s`;
  }

  /** A <time>: local, with UTC in its title. */
  function when(iso, format = short) {
    if (!iso) return make("span", {}, "no time");
    return setWhen(make("time"), iso, format);
  }

  function setWhen(element, iso, format = short) {
    const date = new Date(iso);
    if (Number.isNaN(date.getTime())) return text(element, iso);
    attribute(element, "datetime", iso);
    attribute(
      element,
      "title",
      `${date
        .toISOString()
        .replace("T", " ")
        .replace(/\.\d+Z/, "")} UTC`,
    );
    return text(element, format.format(date));
  }

  const firstLine = (words, most = 400) => words.slice(0, most).trim() || "(no text)";

  // --- state ---------------------------------------------------------------------------------------------------

  const state = {
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
    total: 0,
    history: [],
    imports: null,
    measure: "",
    lags: Object.fromEntries(STAGES.map((stage) => [stage, []])),
  };

  /** The time of the service, so that a wrong clock here does not make ages wrong. */
  const now = () => (state.live ? Date.parse(state.live.health.timestamp) + (Date.now() - state.at) : Date.now());

  // --- requests ------------------------------------------------------------------------------------------------

  class Refused extends Error {
    constructor(status, words) {
      super(words);
      this.status = status;
    }
  }

  async function ask(path, options = {}) {
    const headers = { Accept: "application/json" };
    if (state.token) headers.Authorization = `Bearer ${state.token}`;
    const answer = await fetch(`${API}/${path}`, {
      ...options,
      headers,
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(ASK_MS),
    });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(answer.status, body.detail || body.title || `HTTP ${answer.status}`);
    return body;
  }

  /** One refresh at a time of each kind; what is asked for meanwhile is done once more, what fails is done later. */
  function single(work) {
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

  /** What stands above a list when it cannot be shown. */
  function notice(holder, error) {
    if (!error) {
      holder.replaceChildren();
      return;
    }
    const closed = error.status === 401;
    const words = closed
      ? state.token
        ? "The token was not accepted."
        : "Token needed: this shows content of conversations."
      : `Could not be loaded: ${error.message}`;
    if (holder.dataset.words === words && holder.firstChild) return;
    holder.dataset.words = words;
    const button = closed
      ? make(
          "button",
          { type: "button", onclick: () => askToken("Content is shown only with the token of the health service.") },
          "Enter token",
        )
      : null;
    holder.replaceChildren(make("div", { class: "notice" }, make("p", {}, words), button));
  }

  // --- token ---------------------------------------------------------------------------------------------------

  let afterToken = null;

  /** `#token=…` in the address, once; it leaves the address bar at once so that it is in no bookmark or history. */
  function tokenFromAddress() {
    const match = /^#token=(.+)$/.exec(location.hash);
    if (!match) return false;
    let given = match[1];
    try {
      given = decodeURIComponent(given);
    } catch {
      /* a token with a lone per cent sign is meant as it stands */
    }
    session("mnemo-token", given);
    history.replaceState(null, "", location.pathname + location.search);
    return true;
  }

  function askToken(words, then = null) {
    afterToken = then;
    text(byId("asker-words"), words);
    byId("asker-input").value = "";
    byId("asker-forget").hidden = !state.token;
    if (!byId("asker").open) byId("asker").showModal();
    byId("asker-input").focus();
  }

  function useToken(value) {
    state.token = session("mnemo-token", value);
    showTokenButton();
    byId("asker").close();
    refreshContent();
    const then = afterToken;
    afterToken = null;
    if (value && then) then();
  }

  function showTokenButton() {
    text(byId("token-button"), state.token ? "Token ✓" : "Token");
    attribute(byId("token-button"), "aria-label", state.token ? "Token, one is set" : "Token, none is set");
    attribute(
      byId("token-button"),
      "title",
      state.token ? "A token is kept in this tab" : "Enter the token of the health service",
    );
  }

  // --- banner --------------------------------------------------------------------------------------------------

  /** The sentence of the worst component: a cause comes before its consequences. */
  function rootCause(health) {
    if (health.status === "healthy") return "All stages are healthy.";
    const away = health.bus.status !== "reachable" || health.database.status !== "reachable";
    const worst = [...STAGES, "canary"].find((name) => (health.stages[name] || health.canary).status === health.status);
    const named = !away && worst && health.issues.find((issue) => issue.startsWith(`${worst}: `));
    return named || health.issues[0] || "No reason was given.";
  }

  function renderBanner() {
    const lost = state.link !== "live";
    const health = state.live && state.live.health;
    const status = lost ? "lost" : known(health.status);
    const shown = state.link === "waiting" ? "unknown" : status;
    root.dataset.status = shown;
    root.dataset.link = state.link;
    setIcon(byId("banner-icon"), shown);
    const age = span((Date.now() - state.at) / 1000);
    if (state.link === "waiting") {
      text(byId("status-word"), "Connecting");
      text(byId("reason"), state.refusal || "Nothing is known yet.");
      text(byId("since"), "");
    } else if (lost) {
      text(byId("status-word"), WORDS.lost);
      text(byId("reason"), `Last seen ${age} ago. Everything below is old; the state now is not known.`);
      text(byId("since"), `It was ${known(health.status)} then. Trying to reconnect …`);
    } else {
      text(byId("status-word"), WORDS[status]);
      text(byId("reason"), rootCause(health));
      setSince(byId("since"), health.since);
    }
    text(
      byId("link-text"),
      { waiting: "connecting", live: "live", lost: `connection lost, last seen ${age} ago` }[state.link],
    );
    byId("content").toggleAttribute("data-old", lost);
    renderTitle(shown);
    speak(shown, health);
  }

  function setSince(holder, iso) {
    if (!holder.querySelector("time")) holder.replaceChildren("since ", make("time"), make("span"));
    setWhen(holder.querySelector("time"), iso);
    text(holder.querySelector("span"), ` · for ${span(Math.floor((now() - Date.parse(iso)) / 1000))}`);
  }

  /** Told only when the status is another one: an age that counts up would be read out every second. */
  function speak(shown, health) {
    if (state.spoken === shown || state.link === "waiting") return;
    state.spoken = shown;
    text(
      byId("spoken"),
      shown === "lost" ? "Connection lost. What is shown is old." : `Status: ${WORDS[shown]}. ${rootCause(health)}`,
    );
  }

  function renderTitle(shown) {
    const word = state.link === "waiting" ? "Connecting" : WORDS[shown];
    const title = `${SIGNS[shown]} ${word} – Mnemostream`;
    if (document.title === title) return;
    document.title = title;
    const colours = {
      healthy: "%230f6b46",
      degraded: "%23f0ab2e",
      unhealthy: "%23b3231b",
      unknown: "%23667085",
      lost: "%23667085",
    };
    const shapes = {
      healthy: "%3Ccircle cx='16' cy='16' r='15'/%3E",
      degraded: "%3Cpath d='M16 2l15 28H1Z'/%3E",
      unhealthy: "%3Cpath d='M10 1h12l9 9v12l-9 9H10l-9-9V10Z'/%3E",
      unknown: "%3Cpath d='M16 1l15 15-15 15L1 16Z'/%3E",
      lost: "%3Cpath d='M3 7l4-4 22 22-4 4ZM25 3l4 4L7 29l-4-4Z'/%3E",
    };
    const drawn = `%3Cg fill='${colours[shown]}'%3E${shapes[shown]}%3C/g%3E`;
    const svg = `%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E${drawn}%3C/svg%3E`;
    byId("favicon").href = `data:image/svg+xml,${svg}`;
  }

  function renderTotals(stats) {
    const rows = [
      ["conversations", stats.conversations],
      ["texts", stats.texts],
      ["vectors", stats.chunks],
      ["transcripts", stats.transcripts],
    ];
    const create = ([name]) => make("div", {}, make("dt", {}, name), make("dd"));
    reconcile(
      byId("totals"),
      rows,
      ([name]) => name,
      create,
      (node, row) => text(node.lastChild, count(row[1])),
    );
  }

  function renderIssues(health) {
    const reason = rootCause(health);
    const issues = health.issues.filter((issue) => issue !== reason);
    byId("issues").hidden = !issues.length;
    text(byId("issues-title"), health.status === "healthy" ? "Worth knowing" : `${count(issues.length)} more to know`);
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

  // --- stages --------------------------------------------------------------------------------------------------

  function renderChips(health) {
    const reach = (part) => ({
      status: part.status === "reachable" ? "healthy" : "unhealthy",
      words: part.error || part.status,
    });
    const canary = health.canary.enabled
      ? { status: known(health.canary.status), words: health.canary.cause }
      : { status: "off", words: "off" };
    const rows = [
      ["Bus", reach(health.bus)],
      ["Database", reach(health.database)],
      ["Canary", canary],
    ];
    const create = ([name]) =>
      make("li", {}, make("span", { class: "chip-icon" }), make("b", {}, name), make("span", { class: "chip-words" }));
    reconcile(
      byId("chips"),
      rows,
      ([name]) => name,
      create,
      (node, [name, part]) => {
        attribute(node, "class", `chip ${part.status}`);
        if (part.status === "off") node.firstChild.replaceChildren();
        else setIcon(node.firstChild, part.status);
        text(node.lastChild, part.words);
        attribute(node, "title", `${name}: ${part.words}`);
      },
    );
  }

  function createStage(name) {
    const fact = (key, word) => make("div", { "data-fact": key }, make("dt", {}, word), make("dd"));
    return make(
      "li",
      { class: "stage" },
      make(
        "div",
        { class: "stage-head" },
        make(
          "div",
          {},
          make("h3", {}, name[0].toUpperCase() + name.slice(1)),
          make("p", { class: "does" }, DOES[name]),
        ),
        make("span", { class: "badge" }, make("span", { class: "badge-icon" }), make("span", { class: "badge-word" })),
      ),
      make("p", { class: "cause" }),
      make("p", { class: "stage-since" }),
      make("p", { class: "stage-rule" }),
      make(
        "div",
        { class: "lag" },
        make(
          "div",
          {},
          make("span", { class: "lag-word" }, "Waiting"),
          make("strong", { class: "lag-value" }),
          make("span", { class: "lag-note" }),
        ),
        makeSvg(
          "svg",
          { class: "spark", viewBox: "0 0 100 32", preserveAspectRatio: "none", "aria-hidden": "true" },
          makeSvg("path", { class: "spark-area" }),
          makeSvg("path", { class: "spark-line" }),
        ),
      ),
      make(
        "dl",
        { class: "facts" },
        fact("rate", "Rate"),
        fact("age", "Oldest waits"),
        fact("instances", "Instances"),
        fact("beat", "Last beat"),
        fact("failures", "Failures in a row"),
        fact("letters", "Dead letters"),
      ),
    );
  }

  function updateStage(node, name) {
    const stage = state.live.health.stages[name];
    const find = (selector) => node.querySelector(selector);
    const fact = (key, value) => text(find(`[data-fact=${key}] dd`), value);
    const status = known(stage.status);
    attribute(node, "data-status", status);
    attribute(find(".badge"), "class", `badge ${status}`);
    setIcon(find(".badge-icon"), status);
    text(find(".badge-word"), WORDS[status]);
    text(find(".cause"), stage.cause);
    setSince(find(".stage-since"), stage.since);
    text(find(".stage-rule"), status === "healthy" ? "" : `rule ${stage.rule}`);
    const { lag } = stage;
    const waiting = lag.pending + lag.ack_pending;
    const unknown = status === "unknown";
    text(find(".lag-value"), unknown ? "?" : lag.unit === "bytes" ? bytes(waiting) : count(waiting));
    text(find(".lag-note"), unknown ? "not known now" : lagNote(lag, waiting));
    fact("rate", rate(lag.rate));
    fact("age", waiting ? span(lag.age_seconds) : "–");
    fact("instances", `${count(Object.keys(stage.instances).length)} of ${count(stage.desired)}`);
    fact("beat", stage.heartbeat_age_seconds === null ? "never" : `${span(stage.heartbeat_age_seconds)} ago`);
    fact("failures", count(stage.consecutive_failures));
    fact("letters", count(stage.dead_letters));
    attribute(find("[data-fact=failures]"), "class", stage.consecutive_failures ? "poor" : "");
    attribute(find("[data-fact=letters]"), "class", stage.dead_letters ? "poor" : "");
    drawSpark(node, state.lags[name]);
  }

  function lagNote(lag, waiting) {
    if (!waiting) return lag.unit === "bytes" ? "nothing to read" : "no messages";
    const parts = [lag.unit === "bytes" ? "of transcripts" : plural(waiting, "message").replace(/^\S+ /, "")];
    if (lag.ack_pending && lag.unit !== "bytes") parts.push(`${count(lag.ack_pending)} in hand`);
    parts.push({ growing: "↑ growing", draining: "↓ draining", steady: "→ steady" }[lag.trend] || lag.trend);
    if (lag.eta_seconds !== null) parts.push(`about ${span(lag.eta_seconds)} left`);
    return parts.join(" · ");
  }

  function drawSpark(node, values) {
    const top = Math.max(1, ...values);
    const step = 100 / Math.max(1, values.length - 1);
    const points = values.map((value, index) => `${(index * step).toFixed(2)} ${(30 - 27 * (value / top)).toFixed(2)}`);
    if (points.length < 2) return;
    node.querySelector(".spark-line").setAttribute("d", `M${points.join("L")}`);
    node.querySelector(".spark-area").setAttribute("d", `M0 32L${points.join("L")}L100 32Z`);
  }

  function remember(health) {
    for (const name of STAGES) {
      const { lag } = health.stages[name];
      state.lags[name].push(lag.pending + lag.ack_pending);
      if (state.lags[name].length > 120) state.lags[name].shift();
    }
  }

  const COLUMNS = [
    ["Instance", "", (one, name) => name],
    ["Phase", "", (one) => one.phase],
    ["Last beat", "n", (one) => `${span(one.heartbeat_age_seconds)} ago`],
    ["Processed", "n", (one) => count(one.processed)],
    ["Failed", "n", (one) => count(one.failed)],
    [
      "In flight",
      "n",
      (one) => (one.in_flight ? `${count(one.in_flight)}, ${span(one.oldest_in_flight_seconds)}` : "0"),
    ],
    ["Loop lag", "n", (one) => span(one.loop_lag_seconds)],
    ["Crashes, 5 min", "n", (one) => count(one.crashes)],
    ["Uptime", "n", (one) => span(one.uptime_seconds)],
    ["PID", "n", (one) => String(one.pid)],
    ["Version", "", (one) => one.version],
    ["Last error", "wide", (one) => one.last_error || "–"],
  ];

  function createInstances(name) {
    const head = make(
      "tr",
      {},
      ...COLUMNS.map(([word, kind]) => make("th", { scope: "col", class: kind || null }, word)),
    );
    const details = make(
      "details",
      { class: "fold", ontoggle: () => state.live && updateInstances(details, name) },
      make("summary", {}, make("span", { class: "fold-name" }, name), make("span", { class: "fold-words" })),
      make(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": `Instances of the ${name}` },
        make("table", {}, make("thead", {}, head), make("tbody")),
      ),
    );
    return details;
  }

  function updateInstances(node, name) {
    const rows = Object.entries(state.live.health.stages[name].instances);
    const silent = rows.filter(([, one]) => one.heartbeat_age_seconds >= SILENT_BEAT).length;
    const failing = rows.filter(([, one]) => one.consecutive_failures > 0).length;
    const parts = [plural(rows.length, "instance")];
    if (silent) parts.push(`${count(silent)} silent`);
    if (failing) parts.push(`${count(failing)} failing`);
    text(node.querySelector(".fold-words"), parts.join(" · "));
    if (!node.open) return;
    const create = () => make("tr", {}, ...COLUMNS.map(([, kind]) => make("td", { class: kind || null })));
    reconcile(
      node.querySelector("tbody"),
      rows,
      ([key]) => key,
      create,
      (row, [key, one]) => {
        COLUMNS.forEach(([, , value], index) => text(row.children[index], value(one, key)));
        attribute(
          row,
          "class",
          one.heartbeat_age_seconds >= SILENT_BEAT
            ? "bad"
            : one.consecutive_failures || one.phase !== "running"
              ? "poor"
              : "",
        );
      },
    );
  }

  function renderStages() {
    reconcile(byId("stages"), STAGES, (name) => name, createStage, updateStage);
    reconcile(byId("instances"), STAGES, (name) => name, createInstances, updateInstances);
  }

  // --- ledger --------------------------------------------------------------------------------------------------

  const STEPS = [
    { name: "On disk", column: "disk_bytes", stage: "watcher" },
    { name: "Captured", column: "captured_bytes", gap: "uncaptured_bytes", stage: "watcher" },
    { name: "Published", column: "published_bytes", gap: "unpublished_bytes", stage: "watcher" },
    { name: "Stored", column: "stored_bytes", gap: "unstored_bytes", stage: "writer" },
    { name: "Embedded", column: "embedded", gap: "unembedded_texts", stage: "embedder", texts: true },
  ];

  /** Why a step's number is only the last one known; "" = it is of now. */
  function blind(step, health) {
    if (health.bus.status !== "reachable") return "the bus is away";
    const fromDatabase = step.stage !== "watcher";
    if (fromDatabase && health.database.status !== "reachable") return "the database is away";
    if (fromDatabase && state.live.counted === null) return "not counted yet";
    const age = health.stages.watcher.heartbeat_age_seconds;
    if (!step.texts && (age === null || age >= SILENT_BEAT)) return "the watcher is silent";
    return "";
  }

  function renderLedger() {
    const { ledger, health } = state.live;
    const create = (step) =>
      make(
        "li",
        { class: "step" },
        make(
          "span",
          { class: "joint" },
          make("span", { class: "joint-sign", "aria-hidden": "true" }),
          make("span", { class: "joint-words" }),
        ),
        make(
          "div",
          { class: "step-body" },
          make("span", { class: "step-name" }, step.name),
          make("strong", { class: "step-value" }),
          make("span", { class: "step-note" }),
        ),
      );
    reconcile(
      byId("ledger"),
      STEPS,
      (step) => step.name,
      create,
      (node, step) => updateStep(node, step, ledger.total, health),
    );
    const blinds = STEPS.map((step) => blind(step, health)).filter(Boolean);
    const verdict = byId("ledger-verdict");
    const stuck = STEPS.some((step) => ledger.total.gaps[step.gap] && health.stages[step.stage].status === "unhealthy");
    const [kind, words] = blinds.length
      ? ["unknown", `not known now: ${blinds[0]}`]
      : ledger.balanced
        ? ["healthy", "balanced: nothing is missing"]
        : stuck
          ? ["unhealthy", "not arriving: see the gaps"]
          : ["degraded", "on its way: see the gaps"];
    text(verdict, words);
    attribute(verdict, "class", `verdict ${kind}`);
    renderAsides(ledger);
    renderSources(ledger);
  }

  function updateStep(node, step, total, health) {
    const why = blind(step, health);
    const gap = step.gap ? total.gaps[step.gap] : 0;
    const ill = health.stages[step.stage].status === "unhealthy";
    const kind = why ? "unknown" : gap ? (ill ? "unhealthy" : "degraded") : "healthy";
    const amount = step.texts ? plural(gap, "text") : bytes(gap);
    attribute(node, "class", `step ${kind}${step.texts ? " texts" : ""}`);
    text(node.querySelector(".joint-sign"), !step.gap ? "" : why ? "?" : gap ? "≠" : "=");
    text(
      node.querySelector(".joint-words"),
      !step.gap ? "" : why ? "unknown" : gap ? `${amount} missing` : step.texts ? "all texts" : "equal",
    );
    const value = node.querySelector(".step-value");
    text(value, step.texts ? count(total.embedded) : bytes(total[step.column]));
    attribute(value, "title", step.texts ? null : `${count(total[step.column])} bytes`);
    text(node.querySelector(".step-note"), why ? `last known; ${why}` : stepNote(step, total));
  }

  function stepNote(step, total) {
    if (step.column === "disk_bytes") return plural(total.files, "file");
    if (step.texts) return `of ${plural(total.texts, "text")}`;
    if (step.column === "stored_bytes" && total.log_bytes !== total.published_bytes)
      return `of ${bytes(total.log_bytes)} in the log, with files now gone`;
    return `${count(total[step.column])} bytes`;
  }

  function renderAsides(ledger) {
    const rows = [
      [ledger.unreadable_files, "cannot be read"],
      [ledger.absent_files, "gone from disk, kept here"],
      [ledger.ignored_files, "ignored"],
      [ledger.forgotten_files, "forgotten on request"],
    ]
      .filter(([files]) => files)
      .map(([files, words]) => `${plural(files, "file")} ${words}`);
    if (ledger.absent_backlog_bytes)
      rows.push(`${bytes(ledger.absent_backlog_bytes)} of files now gone were never published`);
    byId("ledger-asides").hidden = !rows.length;
    reconcile(
      byId("ledger-asides"),
      rows,
      (row) => row.replace(/[\d.,]+/g, ""),
      () => make("li"),
      (node, row) => text(node, row),
    );
  }

  function renderSources(ledger) {
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
        const gaps = [
          account.gaps.uncaptured_bytes + account.gaps.unpublished_bytes + account.gaps.unstored_bytes,
          account.gaps.unembedded_texts,
        ];
        const told = [gaps[0] ? bytes(gaps[0]) : "", gaps[1] ? plural(gaps[1], "text") : ""].filter(Boolean).join(", ");
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
          told || "none",
        ];
        cells.forEach((cell, index) => text(row.children[index], cell));
        attribute(row, "class", told ? "poor" : "");
      },
    );
  }

  // --- imports -------------------------------------------------------------------------------------------------

  function buckets(found, number, step, first, keyOf) {
    const byKey = new Map(found.map((bucket) => [Date.parse(bucket.start), bucket]));
    return Array.from({ length: number }, (_, index) => {
      const start = first + index * step;
      return {
        start,
        key: keyOf(start),
        ...(byKey.get(start) || { conversations: 0, segments: 0, bytes: 0 }),
        at: start,
      };
    });
  }

  const hourName = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "numeric" });
  const dayName = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

  function renderImports() {
    if (!state.imports) return;
    const { hourly, daily } = state.imports;
    const shown = state.measure || (daily.some((day) => day.conversations) ? "conversations" : "bytes");
    for (const input of byId("measure").querySelectorAll("input")) input.checked = input.value === shown;
    const hour = Math.floor(now() / HOUR) * HOUR;
    const day = Math.floor(now() / DAY) * DAY;
    drawChart(byId("hourly"), {
      title: "Per hour",
      range: "last 48 hours",
      shown,
      every: 12,
      rows: buckets(hourly, 48, HOUR, hour - 47 * HOUR, String),
      name: (at) => hourName.format(at),
    });
    drawChart(byId("daily"), {
      title: "Per day",
      range: "last 30 days, in UTC",
      shown,
      every: 7,
      rows: buckets(daily, 30, DAY, day - 29 * DAY, String),
      name: (at) => dayName.format(at),
    });
  }

  function createChart(holder) {
    holder.append(
      make(
        "div",
        { class: "chart-head" },
        make("h3"),
        make("p", { class: "chart-range" }),
        make("p", { class: "chart-total" }),
      ),
      make("div", { class: "plot", role: "img" }, make("span", { class: "plot-top" }), make("div", { class: "bars" })),
      make("div", { class: "ticks", "aria-hidden": "true" }),
      make(
        "details",
        { class: "fold small" },
        make("summary", {}, "As a table"),
        make(
          "div",
          { class: "scroll", tabindex: "0", role: "region" },
          make(
            "table",
            {},
            make(
              "thead",
              {},
              make(
                "tr",
                {},
                make("th", { scope: "col" }, "From"),
                make("th", { scope: "col", class: "n" }, "Conversations"),
                make("th", { scope: "col", class: "n" }, "Bytes saved"),
              ),
            ),
            make("tbody"),
          ),
        ),
      ),
    );
    holder.querySelector(".fold").addEventListener("toggle", renderImports);
  }

  function drawChart(holder, { title, range, shown, rows, name, every }) {
    if (!holder.firstChild) createChart(holder);
    const find = (selector) => holder.querySelector(selector);
    const worded = (row) => (shown === "bytes" ? bytes(row.bytes) : plural(row.conversations, "conversation"));
    const top = Math.max(0, ...rows.map((row) => row[shown]));
    const total = rows.reduce((sum, row) => sum + row[shown], 0);
    const all = shown === "bytes" ? bytes(total) : plural(total, "conversation");
    const busiest = rows.find((row) => row[shown] === top);
    text(find("h3"), title);
    text(find(".chart-range"), range);
    text(find(".chart-total"), all);
    text(find(".plot-top"), top ? (shown === "bytes" ? bytes(top) : count(top)) : "nothing yet");
    const most = top ? `, most at ${name(busiest.at)}: ${worded(busiest)}` : "";
    attribute(find(".plot"), "aria-label", `${title}, ${range}: ${all}${most}. The table below has every value.`);
    attribute(find(".scroll"), "aria-label", `${title}, ${range}`);
    reconcile(
      find(".bars"),
      rows,
      (row) => row.key,
      () => make("div", { class: "bar" }, make("i")),
      (bar, row) => {
        attribute(bar, "title", `${name(row.at)}: ${worded(row)}`);
        bar.firstChild.style.height = row[shown] ? `${Math.max(2, (100 * row[shown]) / top)}%` : "0";
      },
    );
    const ticks = rows.filter((_, index) => (rows.length - 1 - index) % every === 0);
    reconcile(
      find(".ticks"),
      ticks,
      (row) => row.key,
      () => make("span"),
      (node, row) => {
        text(node, name(row.at));
        node.style.left = `${(100 * (rows.indexOf(row) + 0.5)) / rows.length}%`;
      },
    );
    if (!find(".fold").open) return;
    const create = () =>
      make("tr", {}, make("th", { scope: "row" }), make("td", { class: "n" }), make("td", { class: "n" }));
    reconcile(
      find("tbody"),
      [...rows].reverse(),
      (row) => row.key,
      create,
      (node, row) => {
        [name(row.at), count(row.conversations), bytes(row.bytes)].forEach((cell, index) =>
          text(node.children[index], cell),
        );
      },
    );
  }

  const refreshImports = single(async () => {
    state.imports = await ask("timeline?days=30&limit=1");
    renderImports();
  });

  // --- recent conversations ------------------------------------------------------------------------------------

  function projectName(path) {
    return (
      (path || "")
        .replace(/[\\/]+$/, "")
        .split(/[\\/]/)
        .pop() || "no project"
    );
  }

  function createConversation(one) {
    const button = make(
      "button",
      { type: "button", class: "talk", "aria-haspopup": "dialog", onclick: () => read(one.exchange_id, button) },
      make("span", { class: "talk-prompt" }),
      make("span", { class: "talk-answer" }),
      make(
        "span",
        { class: "talk-meta" },
        make("span", { class: "tag" }),
        make("span", { class: "talk-project" }),
        make("time"),
        make("span", { class: "talk-tools" }),
      ),
    );
    return make("li", {}, button);
  }

  function updateConversation(node, one) {
    const find = (selector) => node.querySelector(selector);
    text(find(".talk-prompt"), firstLine(one.prompt));
    text(find(".talk-answer"), one.answer ? firstLine(one.answer) : "no answer yet");
    text(find(".tag"), one.source);
    text(find(".talk-project"), projectName(one.project));
    attribute(find(".talk-project"), "title", one.project);
    if (one.started_at) setWhen(find("time"), one.started_at);
    else text(find("time"), "no time");
    text(find(".talk-tools"), one.tools.length ? plural(one.tools.length, "tool call") : "");
  }

  async function pages(most) {
    const found = new Map();
    let total = 0;
    for (let offset = 0; offset < most; offset += MOST) {
      const page = await ask(`recent?limit=${Math.min(MOST, most - offset)}&offset=${offset}`);
      for (const one of page.conversations) found.set(one.exchange_id, one);
      total = page.total;
      if (page.next === null) break;
    }
    return { conversations: [...found.values()], total };
  }

  const refreshRecent = single(async () => {
    try {
      const { conversations, total } = await pages(state.shown);
      notice(byId("recent-notice"), null);
      reconcile(byId("recent"), conversations, (one) => one.exchange_id, createConversation, updateConversation);
      text(byId("recent-count"), total ? `${count(conversations.length)} of ${count(total)}` : "none yet");
      showMore(conversations.length < total);
    } catch (error) {
      if (error.status === 401) byId("recent").replaceChildren();
      if (state.link === "live" || error.status) notice(byId("recent-notice"), error);
      showMore(false);
      throw error;
    }
  });

  /** A focused button that goes away takes the focus with it: the last entry has it then. */
  function showMore(wanted) {
    const focused = document.activeElement === byId("more");
    byId("more").hidden = !wanted;
    if (focused && !wanted) byId("recent").lastElementChild?.firstElementChild.focus({ preventScroll: true });
  }

  // --- one conversation ----------------------------------------------------------------------------------------

  let opener = null;
  let reading = "";

  async function read(exchange, from) {
    opener = from;
    reading = exchange;
    const body = byId("reader-body");
    body.replaceChildren(make("p", { class: "aside" }, "Loading …"));
    text(byId("reader-title"), "Conversation");
    byId("reader").showModal();
    byId("reader-close").focus();
    try {
      const whole = await ask(`conversation/${encodeURIComponent(exchange)}`);
      if (reading === exchange) showConversation(whole);
    } catch (error) {
      if (reading !== exchange) return;
      const holder = make("div");
      body.replaceChildren(holder);
      notice(holder, error);
    }
  }

  function showConversation(whole) {
    const body = byId("reader-body");
    text(byId("reader-title"), `${projectName(whole.project)} · ${whole.source}`);
    const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
    body.replaceChildren(
      make(
        "dl",
        { class: "meta" },
        fact("Asked", when(whole.started_at, exact)),
        fact("Ended", when(whole.ended_at, exact)),
        fact("Project", whole.project || "–"),
        fact("Session", whole.session_id),
        fact("Exchange", whole.exchange_id),
        fact("Tools", whole.tools.length ? tally(whole.tools) : "none"),
      ),
      make(
        "section",
        { class: "said user" },
        make("h3", {}, "Prompt"),
        make("div", { class: "words", id: "reader-prompt" }, whole.prompt || "(no text)"),
      ),
      make(
        "section",
        { class: "said assistant" },
        make("h3", {}, "Answer"),
        make("div", { class: "words", id: "reader-answer" }, whole.answer || "(no answer yet)"),
      ),
      make(
        "section",
        {},
        make("h3", {}, `${plural(whole.total, "record")}, in order`),
        make("ol", { class: "records", id: "records" }),
        make("p", { class: "aside", id: "records-state", role: "status" }),
        make("button", { type: "button", id: "records-more", onclick: () => readOn(whole) }, "Show more records"),
      ),
    );
    addRecords(whole, whole);
    body.scrollTop = 0;
  }

  function addRecords(page, whole) {
    byId("records").append(...page.records.map((record) => showRecord(record, whole)));
    const shown = byId("records").children.length;
    whole.next = page.next;
    text(byId("records-state"), page.next === null ? "" : `${count(shown)} of ${count(page.total)} are shown.`);
    byId("records-more").hidden = page.next === null;
  }

  async function readOn(whole) {
    const last = byId("records").lastElementChild;
    if (byId("records-more").getAttribute("aria-disabled")) return;
    attribute(byId("records-more"), "aria-disabled", "true");
    try {
      const page = await ask(`conversation/${encodeURIComponent(whole.exchange_id)}?offset=${whole.next}`);
      if (reading !== whole.exchange_id) return;
      addRecords(page, whole);
      last.nextElementSibling?.querySelector("summary").focus();
    } catch (error) {
      if (reading === whole.exchange_id) text(byId("records-state"), `Not read: ${error.message}`);
    } finally {
      if (reading === whole.exchange_id) attribute(byId("records-more"), "aria-disabled", null);
    }
  }

  function tally(tools) {
    const counts = new Map();
    for (const tool of tools) counts.set(tool, (counts.get(tool) || 0) + 1);
    return [...counts].map(([tool, times]) => (times > 1 ? `${tool} ×${times}` : tool)).join(", ");
  }

  /** Tools, and what stands above already, are folded; a folded text is put in when it is first opened. */
  function showRecord(record, whole) {
    const parts = [record.tool_input, record.text].filter(Boolean);
    const told = record.text && (record.text === whole.prompt || record.text === whole.answer);
    const folded = TOOLS.has(record.kind) || record.kind === "thinking" || told;
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const details = make(
      "details",
      { open: !folded && parts.length > 0 },
      make(
        "summary",
        {},
        make("span", { class: "tag" }, record.kind.replaceAll("_", " ")),
        make("span", { class: "record-name" }, record.kind === "tool_result" ? "" : record.tool),
        make("span", { class: "record-size" }, size ? `${count(size)} characters` : "empty"),
        record.occurred_at ? when(record.occurred_at, clock) : null,
      ),
    );
    const fill = () => {
      if (details.open && details.children.length === 1)
        details.append(...parts.map((part) => make("div", { class: "words" }, part)));
    };
    details.addEventListener("toggle", fill);
    fill();
    return make("li", { class: `record ${record.role === "user" ? "user" : "assistant"}` }, details);
  }

  function readerClosed() {
    reading = "";
    byId("reader-body").replaceChildren();
    const target = opener && opener.isConnected ? opener : byId("recent-title");
    target.focus({ preventScroll: true });
  }

  // --- dead letters --------------------------------------------------------------------------------------------

  const asked = new Map();

  function createLetter(letter) {
    const fold = (name, key) =>
      make(
        "details",
        { class: `fold small ${key}` },
        make("summary", {}, name),
        make("pre", { class: "scroll", tabindex: "0" }),
      );
    return make(
      "li",
      { class: "letter" },
      make("div", { class: "letter-head" }, make("span", { class: "tag" }), make("time")),
      make("p", { class: "letter-error" }),
      make("code", { class: "letter-subject" }),
      make("p", { class: "letter-facts" }),
      fold("Payload", "payload"),
      fold("Traceback", "traceback"),
      make(
        "div",
        { class: "letter-foot" },
        make("button", { type: "button", class: "retry", onclick: () => request(letter.sequence, "retry") }, "Retry"),
        make("button", { type: "button", class: "drop", onclick: () => request(letter.sequence, "drop") }, "Drop"),
        make("p", { class: "letter-state", role: "status" }),
      ),
    );
  }

  function updateLetter(node, letter) {
    const find = (selector) => node.querySelector(selector);
    text(find(".tag"), letter.stage);
    text(find(".letter-subject"), letter.subject);
    setWhen(find("time"), letter.at);
    text(find(".letter-error"), letter.error || "(no error text)");
    const facts = [
      plural(letter.deliveries, "delivery", "deliveries"),
      bytes(letter.size),
      `${letter.stream} ${count(letter.stream_sequence)}`,
      `by ${letter.instance || "unknown"}`,
      `letter ${count(letter.sequence)}`,
    ];
    text(find(".letter-facts"), facts.join(" · "));
    const cut = letter.size > new Blob([letter.text]).size ? `\n… shortened, ${bytes(letter.size)} in all` : "";
    text(find(".payload pre"), letter.text ? letter.text + cut : letter.by_reference ? `(${bytes(letter.size)}, in the log)` : "(empty)");
    text(find(".traceback pre"), letter.traceback);
    find(".traceback").hidden = !letter.traceback;
    attribute(find(".retry"), "aria-label", `Retry dead letter ${letter.sequence}`);
    attribute(find(".drop"), "aria-label", `Drop dead letter ${letter.sequence}; the message stays in the log`);
    find(".retry").hidden = !RETRYABLE.has(letter.stage);
    updateRetry(node, letter.sequence, letter.retry);
  }

  function updateRetry(node, sequence, told) {
    node.dataset.told = told;
    const mine = asked.get(sequence);
    if (mine && !mine.refused && (told !== mine.before || Date.now() > mine.until)) asked.delete(sequence);
    const waits = asked.get(sequence);
    const pending = told === "pending" || Boolean(waits && !waits.refused);
    const words = pending
      ? "under way …"
      : waits
        ? `Refused: ${waits.refused}`
        : told
          ? `Last outcome: ${told}`
          : "";
    // A disabled button would lose the focus; it stays one and says that it is busy.
    for (const button of node.querySelectorAll(".letter-foot button"))
      attribute(button, "aria-disabled", pending ? "true" : null);
    text(node.querySelector(".letter-state"), words);
    attribute(node.querySelector(".letter-state"), "class", `letter-state ${pending ? "busy" : words ? "poor" : ""}`);
  }

  const REQUESTS = {
    retry: { method: "POST", path: (sequence) => `deadletters/${sequence}/retry`, name: "A retry" },
    drop: { method: "DELETE", path: (sequence) => `deadletters/${sequence}`, name: "To drop a letter" },
  };

  async function request(sequence, what) {
    const { method, path, name } = REQUESTS[what];
    const node = byId("letters").querySelector(`[data-key="${sequence}"]`);
    if (!node || node.querySelector(".retry").getAttribute("aria-disabled")) return;
    if (!state.token) {
      askToken(`${name} needs the token of the health service.`, () => request(sequence, what));
      return;
    }
    const before = node.dataset.told;
    asked.set(sequence, { before, until: Date.now() + RETRY_MS });
    updateRetry(node, sequence, before);
    try {
      await ask(path(sequence), { method });
    } catch (error) {
      asked.set(sequence, { refused: error.message });
      updateRetry(node, sequence, before);
      if (error.status === 401)
        askToken(`The token was not accepted. ${name} needs the right one.`, () => request(sequence, what));
    }
  }

  const refreshLetters = single(async () => {
    const focused = byId("letters").contains(document.activeElement);
    try {
      showLetters(await ask(`deadletters?limit=${MOST}`));
    } catch (error) {
      if (error.status === 401) byId("letters").replaceChildren();
      if (state.link === "live" || error.status) notice(byId("letters-notice"), error);
      throw error;
    } finally {
      if (focused && !byId("letters").contains(document.activeElement))
        byId("letters-title").focus({ preventScroll: true });
    }
  });

  function showLetters(page) {
    notice(byId("letters-notice"), null);
    reconcile(byId("letters"), page.deadletters, (one) => one.sequence, createLetter, updateLetter);
    text(
      byId("letters-count"),
      page.kept > page.count ? `newest ${count(page.count)} of ${count(page.kept)}` : page.kept ? count(page.kept) : "",
    );
    if (page.count) return;
    const words = page.kept ? "They are being read …" : "None. Every message found its way.";
    byId("letters-notice").replaceChildren(make("p", { class: "empty" }, words));
  }

  function followRetries(retries) {
    for (const [sequence, told] of retries) {
      const node = byId("letters").querySelector(`[data-key="${Number(sequence)}"]`);
      if (node) updateRetry(node, sequence, told);
    }
  }

  // --- status timeline -----------------------------------------------------------------------------------------

  const refreshChanges = single(async () => {
    const found = [];
    for (let offset = 0; offset < CHANGES; offset += MOST) {
      const page = await ask(`timeline?days=1&limit=${MOST}&offset=${offset}`);
      found.push(...page.changes);
      if (page.next === null) break;
    }
    state.history = found;
    renderChanges();
  });

  /** Spans of one status, oldest first, over the last day. What lies before all that is known is left out. */
  function spans(component, until) {
    const from = until - DAY;
    const changes = state.history.filter((change) => change.component === component).reverse();
    const { health } = state.live;
    const part = component === "overall" ? health : health.stages[component] || health[component];
    const current =
      part.status === "reachable" ? "healthy" : part.status === "unreachable" ? "unhealthy" : known(part.status);
    const found = [];
    changes.forEach((change, index) => {
      const at = Date.parse(change.at);
      const before = index ? Date.parse(changes[index - 1].at) : at - change.seconds * 1000;
      found.push({ status: known(change.before), from: before, until: at });
    });
    const last = changes.length ? Date.parse(changes[changes.length - 1].at) : Date.parse(part.since || health.since);
    found.push({ status: current, from: last, until });
    return found.map((one) => ({ ...one, from: Math.max(from, one.from) })).filter((one) => one.until > one.from);
  }

  function createStrip(name) {
    return make(
      "li",
      { class: "strip" },
      make("span", { class: "strip-name" }, name),
      makeSvg("svg", { class: "strip-bar", viewBox: "0 0 1000 20", preserveAspectRatio: "none", role: "img" }),
      make("span", { class: "strip-share" }),
    );
  }

  function renderStrips() {
    const until = now();
    const names = STRIPS.filter((name) => name !== "canary" || state.live.health.canary.enabled);
    reconcile(
      byId("strips"),
      names,
      (name) => name,
      createStrip,
      (node, name) => {
        const found = spans(name, until);
        const svg = node.querySelector("svg");
        const heights = { healthy: 8, degraded: 14, unhealthy: 20, unknown: 4 };
        const widths = { healthy: 1, degraded: 5, unhealthy: 5, unknown: 1 };
        // The worst comes last, so that no short fault hides behind the hours around it.
        const bars = [...found]
          .sort((one, other) => heights[one.status] - heights[other.status])
          .map((one) => {
            const x = (1000 * (one.from - until + DAY)) / DAY;
            const height = heights[one.status];
            const rect = makeSvg("rect", {
              x: x.toFixed(2),
              y: 20 - height,
              width: Math.max(widths[one.status], (1000 * (one.until - one.from)) / DAY).toFixed(2),
              height,
              class: one.status,
            });
            rect.append(
              text(
                makeSvg("title"),
                `${one.status} for ${span((one.until - one.from) / 1000)}, from ${short.format(one.from)}`,
              ),
            );
            return rect;
          });
        svg.replaceChildren(...bars);
        const known_ = found
          .filter((one) => one.status !== "unknown")
          .reduce((sum, one) => sum + one.until - one.from, 0);
        const good = found
          .filter((one) => one.status === "healthy")
          .reduce((sum, one) => sum + one.until - one.from, 0);
        const share = known_ ? `${(Math.floor((1000 * good) / known_) / 10).toFixed(1)} %` : "–";
        text(node.lastChild, share);
        attribute(node.lastChild, "title", "healthy, of the time that is known");
        attribute(svg, "aria-label", `${name}, last 24 hours: ${described(found)}`);
      },
    );
  }

  function described(found) {
    const sums = {};
    for (const one of found) sums[one.status] = (sums[one.status] || 0) + one.until - one.from;
    return Object.entries(sums)
      .map(([status, sum]) => `${status} ${span(sum / 1000)}`)
      .join(", ");
  }

  function renderChanges() {
    if (!state.live) return;
    renderStrips();
    const rows = state.history.slice(0, MOST);
    const create = (change) =>
      make(
        "li",
        { class: "change" },
        make(
          "div",
          { class: "change-head" },
          make("b", {}, change.component),
          make("span", { class: `badge small ${known(change.before)}` }, change.before),
          make("span", { class: "to", "aria-label": "to" }, "→"),
          make("span", { class: `badge small ${known(change.after)}` }, icon(known(change.after)), change.after),
          when(change.at),
        ),
        make("p", {}, change.cause),
        change.seconds ? make("p", { class: "lasted" }, `${change.before} had lasted ${span(change.seconds)}`) : null,
      );
    reconcile(
      byId("changes"),
      rows,
      (row) => `${row.component} ${row.at} ${row.after}`,
      create,
      () => {},
    );
  }

  // --- live events ---------------------------------------------------------------------------------------------

  let source = null;
  let reopening = 0;
  let tried = 0;

  function connect() {
    clearTimeout(reopening);
    if (source) source.close();
    tried = Date.now();
    source = new EventSource(`${API}/events`);
    source.addEventListener("open", () => {
      state.fresh = true;
    });
    source.addEventListener("live", (event) => receive(event.data));
    source.addEventListener("error", () => {
      lose();
      // The browser tries again by itself unless it was refused.
      if (source.readyState !== EventSource.CLOSED) return;
      explain();
      reopening = setTimeout(connect, 2000);
    });
  }

  /** An EventSource that was refused does not tell why: the same question, asked as a request, does. */
  async function explain() {
    const stop = new AbortController();
    try {
      const answer = await fetch(`${API}/events`, { cache: "no-store", credentials: "omit", signal: stop.signal });
      state.refusal = answer.ok ? "" : (await answer.json()).detail || "";
    } catch {
      state.refusal = "";
    } finally {
      stop.abort();
    }
  }

  function receive(data) {
    const live = JSON.parse(data);
    // A report that was made before the last one is none of now.
    if (live.health.timestamp === state.stamp && state.link === "live") return;
    const back = state.link !== "live";
    state.pace = state.fresh ? 0 : Math.max(Date.now() - state.at, 0.9 * state.pace);
    state.fresh = false;
    Object.assign(state, { live, at: Date.now(), stamp: live.health.timestamp, link: "live", refusal: "" });
    remember(live.health);
    render();
    if (back) refreshAll();
    else refreshChanged(live);
    state.counted = live.counted;
    state.letters = lettersKey(live);
    state.changes = changesKey(live);
  }

  const lettersKey = (live) => JSON.stringify([live.deadletters, live.retries.map(([sequence]) => sequence)]);
  const changesKey = (live) => (live.changes.length ? `${live.changes[0].component} ${live.changes[0].at}` : "");

  function refreshChanged(live) {
    if (live.counted !== state.counted) refreshCounted();
    if (lettersKey(live) !== state.letters) refreshLetters();
    if (changesKey(live) !== state.changes) refreshChanges();
  }

  /** Before the first count after a start there is nothing to show; what is shown stays until then. */
  function refreshCounted() {
    if (!state.live || !state.live.counted) return;
    refreshRecent();
    refreshImports();
  }

  function refreshContent() {
    refreshCounted();
    refreshLetters();
  }

  function refreshAll() {
    refreshContent();
    refreshChanges();
  }

  function render() {
    const { health, stats } = state.live;
    renderBanner();
    renderTotals(stats);
    renderIssues(health);
    renderChips(health);
    renderStages();
    renderLedger();
    followRetries(state.live.retries);
  }

  function lose() {
    if (state.link !== "live") return;
    state.link = "lost";
    renderBanner();
  }

  /** Each second: ages count up, and silence is noticed even when the connection seems to be open. */
  function tick() {
    const silent = Date.now() - state.at;
    // A service that is set to judge more seldom is not lost between two reports.
    const patience = Math.min(MOST_SILENT_MS, Math.max(SILENT_MS, 3 * state.pace));
    if (state.link === "live" && silent > patience) lose();
    if (state.link !== "live" && Date.now() - tried > REOPEN_MS && silent > REOPEN_MS) connect();
    renderBanner();
  }

  function wake() {
    if (document.visibilityState === "hidden") return;
    tick();
    if (state.link !== "live") connect();
  }

  // --- start ---------------------------------------------------------------------------------------------------

  function dark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function showTheme() {
    text(byId("theme-button"), dark() ? "Light" : "Dark");
    attribute(byId("theme-button"), "aria-label", `Switch to ${dark() ? "light" : "dark"} colours`);
  }

  function switchTheme() {
    root.dataset.theme = local("mnemo-theme", dark() ? "light" : "dark");
    showTheme();
  }

  function listen() {
    byId("theme-button").addEventListener("click", switchTheme);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
    byId("token-button").addEventListener("click", () =>
      askToken("It is sent with every request of this page: for content, and for a retry of dead letters."),
    );
    byId("asker-form").addEventListener("submit", (event) => {
      event.preventDefault();
      useToken(byId("asker-input").value.trim());
    });
    byId("asker-cancel").addEventListener("click", () => {
      afterToken = null;
      byId("asker").close();
    });
    byId("asker").addEventListener("cancel", () => {
      afterToken = null;
    });
    byId("asker-forget").addEventListener("click", () => useToken(""));
    byId("asker").addEventListener("close", () => {
      byId("asker-input").value = "";
    });
    byId("reader-close").addEventListener("click", () => byId("reader").close());
    byId("reader").addEventListener("close", readerClosed);
    byId("reader").addEventListener("click", (event) => {
      if (event.target === byId("reader")) byId("reader").close();
    });
    byId("more").addEventListener("click", () => {
      state.shown += PAGE;
      refreshRecent();
    });
    byId("measure").addEventListener("change", (event) => {
      state.measure = event.target.value;
      renderImports();
    });
    byId("sources").addEventListener("toggle", () => state.live && renderSources(state.live.ledger));
    addEventListener("hashchange", () => {
      if (tokenFromAddress()) useToken(session("mnemo-token"));
    });
    addEventListener("online", wake);
    addEventListener("offline", lose);
    document.addEventListener("visibilitychange", wake);
  }

  function start() {
    tokenFromAddress();
    state.token = session("mnemo-token");
    showTokenButton();
    showTheme();
    listen();
    renderBanner();
    connect();
    setInterval(tick, 1000);
    setInterval(() => {
      if (state.link !== "live") return;
      renderImports();
      renderChanges();
    }, 60000);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
