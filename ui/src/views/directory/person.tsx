import { useAnswer } from "../../api/use";
import { Badge, Loaded, Panel, Time } from "../../components/basic";
import { SignIns } from "./signins";
import { many, number } from "../../format";
import { literal } from "../../logs";
import { tones } from "../coverage/tones";

/** One person: what the snapshot knows, and the sign-ins beside it. */
export function Person({ id }: { id: string }) {
  const asked = useAnswer({ path: "/users/{id}", values: { id } });
  return (
    <>
      <Panel title="Person" wide>
        <Loaded of={asked} lines={8} what="The person">
          {(u) => (
            <>
              <p class="who"><strong dir="auto" data-mark="person">{u.displayName || u.userPrincipalName}</strong> <Badge tone={tones[u.state] ?? "quiet"}>{u.state}</Badge>{" "}
                {!u.accountEnabled && <Badge tone="quiet">disabled</Badge>} <span dir="auto" class="note">{u.userPrincipalName}</span></p>
              <p>{u.reason}.</p>
              <dl class="facts">
                <dt>Last successful sign-in</dt><dd><Time at={u.lastSuccessfulSignInDateTime} /></dd>
                <dt>Last success in the archive</dt><dd><Time at={u.lastArchivedSignInDateTime} /></dd>
                <dt>Last sign-in, interactive</dt><dd><Time at={u.lastSignInDateTime} /></dd>
                <dt>Last sign-in, non-interactive</dt><dd><Time at={u.lastNonInteractiveSignInDateTime} /></dd>
                <dt>Inactive since</dt><dd><Time at={u.inactiveSinceDateTime} how="day" />{u.daysInactive !== undefined && `, ${many(u.daysInactive, "day")}`}</dd>
                <dt>Decided by</dt><dd>{u.decidedBy}</dd>
                <dt>Type</dt><dd>{u.userType ?? "–"}</dd>
                <dt>Department</dt><dd dir="auto">{u.department ?? "–"}</dd>
                <dt>Licences</dt><dd>{u.licences?.join(", ") || number(u.assignedSkuIds.length)}</dd>
                <dt>From on-premises</dt><dd>{u.onPremisesSyncEnabled ? "yes" : "no"}</dd>
                <dt>Created</dt><dd><Time at={u.createdDateTime} how="day" /></dd>
                <dt>Password changed</dt><dd><Time at={u.lastPasswordChangeDateTime} how="day" /></dd>
              </dl>
              <p class="note">As of the snapshot of <Time at={u.asOfDateTime} />.</p>
            </>
          )}
        </Loaded>
      </Panel>
      {asked.data && (
        <>
          <SignIns title="Sign-ins, interactive" filter={`userId eq ${literal(asked.data.id)}`} />
          <SignIns title="Sign-ins, non-interactive" filter={`userId eq ${literal(asked.data.id)} and signInEventTypes/any(t: t eq 'nonInteractiveUser')`} />
        </>
      )}
    </>
  );
}
