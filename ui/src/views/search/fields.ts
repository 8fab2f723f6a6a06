import { literal } from "../../logs";

/** What can be picked without knowing the filter language. */
export interface Picks {
  person: string;
  application: string;
  address: string;
  outcome: "" | "success" | "failure";
  activity: string;
  operation: string;
  target: string;
  from: string; // as the reader's field has it: YYYY-MM-DDTHH:MM in the reader's zone
  until: string;
}

export const nothing: Picks = { person: "", application: "", address: "", outcome: "", activity: "", operation: "", target: "", from: "", until: "" };

/** A kind of records that is searched. */
export interface Kind {
  id: string;
  title: string;
  collection: "signIns" | "directoryAudits" | "provisioning" | "customSecurityAttributeAudits" | "identityManager";
  only?: string;
  time: string;
  picks: (keyof Picks)[];
}

const signIns = (type: string, title: string): Kind => ({ id: "signIns." + type, title, collection: "signIns",
  only: `signInEventTypes/any(t: t eq '${type}')`, time: "createdDateTime",
  picks: type.endsWith("User") ? ["person", "application", "address", "outcome", "from", "until"] : ["application", "address", "outcome", "from", "until"] });
const audits = (id: "directoryAudits" | "customSecurityAttributeAudits", title: string): Kind => ({ id, title, collection: id, time: "activityDateTime",
  picks: ["person", "activity", "outcome", "from", "until"] });

export const kinds: Kind[] = [
  { ...signIns("interactiveUser", "Sign-ins, interactive"), only: "" },
  signIns("nonInteractiveUser", "Sign-ins, non-interactive"),
  signIns("servicePrincipal", "Sign-ins, service principals"),
  signIns("managedIdentity", "Sign-ins, managed identities"),
  audits("directoryAudits", "Directory audits"),
  { id: "provisioning", title: "Provisioning", collection: "provisioning", time: "activityDateTime", picks: ["person", "application", "outcome", "from", "until"] },
  audits("customSecurityAttributeAudits", "Attribute audits"),
  { id: "identityManager", title: "Identity Manager requests", collection: "identityManager", time: "activityDateTime",
    picks: ["person", "target", "operation", "outcome", "from", "until"] },
];

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const either = (value: string, id: string, name: string) => `${guid.test(value) ? id : name} eq ${literal(value)}`;

/** A clause for each thing that was picked. */
export function clauses(kind: Kind, p: Picks): string[] {
  const out: string[] = [];
  const of = kind.collection;
  const person = p.person.trim(), app = p.application.trim();
  if (person && of === "signIns") out.push(either(person, "userId", "userPrincipalName"));
  if (person && of.endsWith("Audits")) {
    out.push(guid.test(person) ? `initiatedBy/user/id eq ${literal(person)}` : `initiatedBy/user/userPrincipalName eq ${literal(person)}`);
  }
  if (person && of === "provisioning") out.push(guid.test(person) ? `sourceIdentity/id eq ${literal(person)}` : `sourceIdentity/displayName eq ${literal(person)}`);
  const target = p.target.trim(), operation = p.operation.trim();
  if (person && of === "identityManager") out.push(either(person, "creatorId", "creatorName"));
  if (target && of === "identityManager") out.push(either(target, "targetId", "targetName"));
  if (operation && of === "identityManager") out.push(`operation eq ${literal(operation)}`);
  if (p.outcome && of === "identityManager") out.push(`requestStatus ${p.outcome === "success" ? "eq" : "ne"} 'Completed'`);
  if (app && of === "signIns") {
    const user = kind.picks.includes("person");
    out.push(user ? either(app, "appId", "appDisplayName") : either(app, "servicePrincipalId", "servicePrincipalName"));
  }
  if (app && of === "provisioning") out.push(either(app, "servicePrincipal/id", "servicePrincipal/displayName"));
  if (p.address.trim() && of === "signIns") out.push(`ipAddress eq ${literal(p.address.trim())}`);
  if (p.activity.trim() && of.endsWith("Audits")) out.push(`activityDisplayName eq ${literal(p.activity.trim())}`);
  if (p.outcome && of === "signIns") out.push(p.outcome === "success" ? "status/errorCode eq 0" : "status/errorCode ne 0");
  if (p.outcome && of.endsWith("Audits")) out.push(`result eq '${p.outcome}'`);
  if (p.outcome && of === "provisioning") out.push(`provisioningStatusInfo/status eq '${p.outcome}'`);
  for (const [field, word] of [["from", "ge"], ["until", "lt"]] as const) {
    const at = Date.parse(p[field]);
    if (!Number.isNaN(at)) out.push(`${kind.time} ${word} ${new Date(at).toISOString().replace(".000", "")}`);
  }
  return out;
}

const ofType = /(^| and )signInEventTypes\/any\(t: ?t eq '(\w+)'\)( and |$)/;

/** The log that a filter asks, and what it asks of it: a file is of one log by itself. */
export function fileOf(kind: Kind, filter: string): { id: string; rest: string } {
  if (kind.collection !== "signIns") return { id: kind.id, rest: filter };
  const type = ofType.exec(filter)?.[2] ?? "interactiveUser";
  return { id: "signIns." + type, rest: filter.replace(ofType, (_, before: string, _type, after: string) => (before && after ? " and " : "")) };
}

/** The filter that is asked: what was picked, and what was written. */
export function filterOf(kind: Kind, p: Picks, written: string): string {
  const parts = clauses(kind, p);
  const own = written.trim();
  if (kind.only && !own.includes("signInEventTypes/any")) parts.unshift(kind.only);
  if (own) parts.push(parts.length > 0 && /\bor\b/i.test(own) ? `(${own})` : own);
  return parts.join(" and ");
}
