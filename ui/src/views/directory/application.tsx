import { useAnswer } from "../../api/use";
import { Loaded, Panel, Time, Empty } from "../../components/basic";
import { Table } from "../../components/table";
import { literal } from "../../logs";
import { columns, type Credential } from "./credentials";
import { SignIns } from "./signins";

/** One application: its credentials, and the sign-ins to it and of it beside. */
export function Application({ id }: { id: string }) {
  const asked = useAnswer({ path: "/applications/{id}", values: { id } });
  return (
    <>
      <Panel title="Application" wide>
        <Loaded of={asked} lines={6} what="The application">
          {(a) => (
            <>
              <p class="who"><strong dir="auto">{a.appDisplayName || a.appId}</strong> <code>{a.appId}</code></p>
              <p class="note">Last used <Time at={a.lastUsedDateTime} />. As of the snapshot of <Time at={a.asOfDateTime} />.</p>
              {a.credentials.length === 0 ? <Empty title="It has no secret and no certificate" />
                : <Table rows={a.credentials as Credential[]} of={(c) => `${c.objectId}/${c.keyId}`} columns={columns.slice(1)} caption="Credentials" />}
            </>
          )}
        </Loaded>
      </Panel>
      <SignIns title="Sign-ins to it" filter={`appId eq ${literal(id)}`} />
      <SignIns title="Sign-ins of its service principal" filter={`appId eq ${literal(id)} and signInEventTypes/any(t: t eq 'servicePrincipal')`} />
    </>
  );
}
