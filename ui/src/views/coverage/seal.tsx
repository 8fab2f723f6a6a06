import { save } from "../../api/client";
import { useAnswer } from "../../api/use";
import { Copy, Facts, Loaded, Time } from "../../components/basic";
import { number, sentence } from "../../format";

/** The entry that the log of seals has of an hour: what whoever has a head of the log can check. */
export function Seal({ stream, hour }: { stream: string; hour: string }) {
  const asked = useAnswer({ path: "/verify/seal", query: { stream, hour } });
  return (
    <>
      <h3>Its seal</h3>
      <Loaded of={asked} lines={4} what="The seal">
        {(s) => (
          <>
            {s.reason && <p class="note">{sentence(s.reason)}.</p>}
            <Facts of={[
              ["Entry of the log", `${number(s.entry)} of ${number(s.logSize)}`, "seal-entry"],
              ["Sealed", <Time at={s.sealedDateTime} how="precise" />],
              ["Contents that it is of", number(s.leaves)],
            ]} />
            <pre class="seal" tabIndex={0} aria-label="The entry itself"><code data-mark="seal">{s.text}</code></pre>
            <div class="under">
              <Copy text={s.text} label="Copy the entry" />
              <button type="button" class="small" onClick={() => save(new Blob([s.text], { type: "text/plain" }), `seal-${stream}-${hour.slice(0, 13)}.txt`)}>Download it</button>
              <span class="note">Its hash in the log is <code>{s.entryHash}</code></span>
            </div>
          </>
        )}
      </Loaded>
    </>
  );
}
