/* The icon of a status. */

import { makeSvg } from "./dom.js";

/** Shape as well as colour: a tick, a triangle, an octagon, a diamond, a torn line. */
const SHAPES = {
  healthy: ["M12 1.5a10.5 10.5 0 1 1 0 21 10.5 10.5 0 0 1 0-21Z", "M7 12.4l3.4 3.4L17 9"],
  degraded: [
    "M12 2.2c.7 0 1.3.4 1.7 1l9 16a1.9 1.9 0 0 1-1.7 2.9H3a1.9 1.9 0 0 1-1.7-2.9l9-16c.4-.6 1-1 1.7-1Z",
    "M12 9v5.5M12 18v.1",
  ],
  unhealthy: ["M7.6 1.5h8.8l6.1 6.1v8.8l-6.1 6.1H7.6l-6.1-6.1V7.6Z", "M8.3 8.3l7.4 7.4M15.7 8.3l-7.4 7.4"],
  unknown: ["M12 1l11 11-11 11L1 12Z", "M9.4 9.6c0-1.5 1.1-2.5 2.6-2.5s2.6 1 2.6 2.4c0 2-2.6 2-2.6 4.2M12 16.9v.1"],
  lost: ["M12 1.5a10.5 10.5 0 1 1 0 21 10.5 10.5 0 0 1 0-21Z", "M5.5 12h3.5M15 12h3.5M10.6 16l2.8-8"],
};

export function icon(status) {
  const svg = makeSvg("svg", {
    viewBox: "0 0 24 24",
    class: `icon ${status}`,
    "aria-hidden": "true",
    focusable: "false",
  });
  const [outline, sign] = SHAPES[status] || SHAPES.unknown;
  svg.append(makeSvg("path", { d: outline, class: "shape" }), makeSvg("path", { d: sign, class: "sign" }));
  return svg;
}

export function setIcon(holder, status) {
  if (holder.dataset.icon === status) return;
  holder.dataset.icon = status;
  holder.replaceChildren(icon(status));
}
