/** What the page has to know of a log to ask for its records. */
export interface LogOf {
  collection: "signIns" | "directoryAudits" | "provisioning" | "customSecurityAttributeAudits" | "identityManager";
  time: string; // its time property
  /** What tells its records from those of other logs of the collection. */
  only?: string;
}

export function logOf(stream: string): LogOf {
  if (stream.startsWith("signIns.")) {
    return { collection: "signIns", time: "createdDateTime", only: `signInEventTypes/any(t: t eq '${stream.slice(8)}')` };
  }
  return { collection: stream as LogOf["collection"], time: "activityDateTime" };
}

/** A text as a literal of $filter. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The filter for the records of a log in [from, to). */
export function within(stream: string, from: string, to: string): string {
  const { time, only } = logOf(stream);
  return [only, `${time} ge ${from}`, `${time} lt ${to}`].filter(Boolean).join(" and ");
}
