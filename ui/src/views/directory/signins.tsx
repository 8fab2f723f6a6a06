import { useAnswer } from "../../api/use";
import { Empty, Loaded, Panel } from "../../components/basic";
import { to } from "../../state";
import { Records } from "../search/records";

/** The newest sign-ins that a filter picks. */
export function SignIns({ title, filter }: { title: string; filter: string }) {
  const asked = useAnswer({ path: "/auditLogs/{collection}", values: { collection: "signIns" }, query: { $filter: filter, $top: 25 } });
  return (
    <Panel title={title} wide actions={<a class="small" href={to("search", "", { in: "signIns", filter })}>Search</a>}>
      <Loaded of={asked} lines={3} what="Sign-ins">
        {(data) => data.value.length === 0 ? <Empty title="The archive holds none" />
          : <Records collection="signIns" rows={data.value as Record<string, unknown>[]} />}
      </Loaded>
    </Panel>
  );
}
