const locale = navigator.languages;
const numbers = new Intl.NumberFormat(locale as string[]);
const short = new Intl.NumberFormat(locale as string[], { notation: "compact", maximumFractionDigits: 1 });
const money = new Intl.NumberFormat(locale as string[], { style: "currency", currency: "USD", maximumFractionDigits: 2 });
const times = new Intl.DateTimeFormat(locale as string[], { dateStyle: "medium", timeStyle: "short" });
const seconds = new Intl.DateTimeFormat(locale as string[], { dateStyle: "medium", timeStyle: "medium" });
const days = new Intl.DateTimeFormat(locale as string[], { dateStyle: "medium" });
const utcDays = new Intl.DateTimeFormat(locale as string[], { dateStyle: "medium", timeZone: "UTC" });
const months = new Intl.DateTimeFormat(locale as string[], { month: "short", timeZone: "UTC" });
const ages = new Intl.RelativeTimeFormat(locale as string[], { numeric: "always", style: "long" });

export const number = (n: number): string => numbers.format(n);
export const compact = (n: number): string => (n < 10_000 ? numbers.format(n) : short.format(n));
export const usd = (n: number): string => money.format(n);
export const percent = (n: number): string => numbers.format(Math.floor(n)) + " %";
export const monthOf = (d: Date): string => months.format(d);

/** A size, in units of 1,000. */
export function bytes(n: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1000;
    i++;
  }
  return new Intl.NumberFormat(locale as string[], { style: "unit", unit: units[i]!, unitDisplay: "short",
    maximumFractionDigits: n < 10 && i > 0 ? 1 : 0 }).format(n);
}

/** Whether a text is a moment at all: a record may hold what only looks like one. */
export const isMoment = (text: string): boolean => !Number.isNaN(Date.parse(text));

/** A moment in the reader's zone. */
export const time = (text: string | Date): string => times.format(new Date(text));
export const precise = (text: string | Date): string => seconds.format(new Date(text));
export const day = (text: string | Date): string => days.format(new Date(text));
export const utcDay = (text: string | Date): string => utcDays.format(new Date(text));

/** The same moment in UTC, as scripts and the archive have it. */
export function utc(text: string | Date): string {
  return new Date(text).toISOString().replace("T", " ").replace(/(:\d\d)\.000Z$|Z$/, "$1") + " UTC";
}

/** How long ago, or until, in one unit. */
export function relative(text: string | Date, now = Date.now()): string {
  const s = Math.round((new Date(text).getTime() - now) / 1000);
  const a = Math.abs(s);
  if (a < 90) return ages.format(s, "second");
  if (a < 90 * 60) return ages.format(Math.round(s / 60), "minute");
  if (a < 36 * 3600) return ages.format(Math.round(s / 3600), "hour");
  if (a < 60 * 86400) return ages.format(Math.round(s / 86400), "day");
  if (a < 700 * 86400) return ages.format(Math.round(s / (30.44 * 86400)), "month");
  return ages.format(Math.round(s / (365.25 * 86400)), "year");
}

const names: Record<string, string> = {
  directoryAudits: "Directory audits",
  "signIns.interactiveUser": "Sign-ins, interactive",
  "signIns.nonInteractiveUser": "Sign-ins, non-interactive",
  "signIns.servicePrincipal": "Sign-ins, service principals",
  "signIns.managedIdentity": "Sign-ins, managed identities",
  provisioning: "Provisioning",
  customSecurityAttributeAudits: "Attribute audits",
  identityManager: "Identity Manager requests",
};

/** A log in a reader's words; one that the page does not know has its own name. */
export const log = (stream: string): string => names[stream] ?? stream;

/** How long something took: 0.4 s, 12 s, 3 min 5 s. */
export function duration(s: number): string {
  const unit = (n: number, of: string, digits = 0) => new Intl.NumberFormat(locale as string[], { style: "unit", unit: of, unitDisplay: "short",
    maximumFractionDigits: digits }).format(n);
  if (s < 10) return unit(s, "second", 1);
  s = Math.round(s);
  if (s < 120) return unit(s, "second");
  return `${unit(Math.floor(s / 60), "minute")} ${unit(s % 60, "second")}`;
}

/** Hours of a day: 04:00–05:00. */
export const hourSpan = (h: number): string =>
  `${String(h).padStart(2, "0")}:00–${String((h + 1) % 24).padStart(2, "0")}:00`;

/** A clause as a sentence begins. */
export const sentence = (text: string): string => text.charAt(0).toLocaleUpperCase() + text.slice(1);

/** One or several of something. */
export const many = (n: number, one: string, more = one + "s"): string => `${number(n)} ${n === 1 ? one : more}`;
