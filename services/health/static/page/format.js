/* Numbers, sizes and durations in words. */

const integer = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const decimal = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export const short = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});
export const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const count = (value) => (value === null || value === undefined ? "–" : integer.format(value));
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export function bytes(value) {
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

export function span(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, seconds);
  if (whole < 1) return whole === 0 ? "0 s" : `${Math.max(1, Math.round(whole * 1000))} ms`;
  if (whole < 90) return `${Math.round(whole)} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 172800) return `${decimal.format(whole / 3600)} h`;
  return `${decimal.format(whole / 86400)} days`;
}

export function rate(value) {
  if (!value) return "0 /s";
  if (value < 0.1) return `${decimal.format(value * 60)} /min`;
  return `${value < 10 ? decimal.format(value) : integer.format(value)} /s`;
}

export const firstLine = (words, most = 400) => words.slice(0, most).trim() || "(no text)";

export function projectName(path) {
  return (
    (path || "")
      .replace(/[\\/]+$/, "")
      .split(/[\\/]/)
      .pop() || "no project"
  );
}
