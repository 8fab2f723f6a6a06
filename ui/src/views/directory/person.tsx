import { useAnswer } from "../../api/use";
import { Badge, Facts, Loaded, Panel, Time } from "../../components/basic";
import { SignIns } from "./signins";
import { many, number, sentence } from "../../format";
import { literal } from "../../logs";
import { tones } from "../coverage/tones";

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** One person: what the snapshot knows, and the sign-ins beside it. */
export function Person({ id }: { id: string }) {
  const asked = useAnswer({ path: "/users/{id}", values: { id } });
  const of = asked.data?.id ?? (asked.problem?.status === 404 && guid.test(id) ? id : ""); // one that was deleted did sign in
  return (
    <>
      <Panel title="Person" wide>
        <Loaded of={asked} lines={8} what="The person">
          {(u) => (
            <>
              <p class="who"><strong dir="auto" data-mark="person">{u.displayName || u.userPrincipalName}</strong> <Badge tone={tones[u.state] ?? "quiet"}>{u.state}</Badge>{" "}
                {!u.accountEnabled && <Badge tone="quiet">disabled</Badge>} <span dir="auto" class="note">{u.userPrincipalName}</span></p>
              <p>{sentence(u.reason)}.</p>
              <Facts of={[
                ["Last successful sign-in", <Time at={u.lastSuccessfulSignInDateTime} />],
                ["Last success in the archive", <Time at={u.lastArchivedSignInDateTime} />],
                ["Last sign-in, interactive", <Time at={u.lastSignInDateTime} />],
                ["Last sign-in, non-interactive", <Time at={u.lastNonInteractiveSignInDateTime} />],
                ["Inactive since", <><Time at={u.inactiveSinceDateTime} how="day" />{u.daysInactive !== undefined && `, ${many(u.daysInactive, "day")}`}</>],
                ["Decided by", u.decidedBy],
                ["Type", u.userType ?? "–"],
                ["Department", <span dir="auto">{u.department ?? "–"}</span>],
                ["Licences", u.licences?.join(", ") || number(u.assignedSkuIds.length)],
                ["From on-premises", u.onPremisesSyncEnabled ? "yes" : "no"],
                ["Created", <Time at={u.createdDateTime} how="day" />],
                ["Password changed", <Time at={u.lastPasswordChangeDateTime} how="day" />],
              ]} />
              <p class="note">As of the snapshot of <Time at={u.asOfDateTime} />.</p>
            </>
          )}
        </Loaded>
      </Panel>
      {of && (
        <>
          <SignIns title="Sign-ins, interactive" filter={`userId eq ${literal(of)}`} />
          <SignIns title="Sign-ins, non-interactive" filter={`userId eq ${literal(of)} and signInEventTypes/any(t: t eq 'nonInteractiveUser')`} />
        </>
      )}
    </>
  );
}
