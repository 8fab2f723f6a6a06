import { useMemo, useRef, useState } from "preact/hooks";
import { useAnswer } from "../../api/use";

interface Hint { insert: string; label: string; about: string }

/** The word before the cursor, where it begins, and whether it is a value of a property. */
function word(text: string, cursor: number): { start: number; word: string; of: string | null } {
  const before = text.slice(0, cursor);
  const value = /([\w/@.]+)\s+(?:eq|ne|in)\s+\(?'?([^')]*)$/i.exec(before);
  if (value) return { start: cursor - value[2]!.length - (before.at(-value[2]!.length - 1) === "'" ? 1 : 0), word: value[2]!, of: value[1]! };
  const name = /[\w/@.]*$/.exec(before)![0];
  return { start: cursor - name.length, word: name, of: null };
}

/** A field for $filter that knows the properties of the log's records, and the words of some. */
export function FilterField({ collection, value, change }: { collection: string; value: string; change: (v: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const [cursor, setCursor] = useState(0);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const properties = useAnswer({ path: "/reference/{list}", values: { list: "properties" }, query: { collection } as never });
  const codes = useAnswer(collection === "signIns" ? { path: "/reference/{list}", values: { list: "errorCodes" } } : null);
  const activities = useAnswer(collection === "directoryAudits" ? { path: "/reference/{list}", values: { list: "auditActivities" } } : null);
  const now = word(value, cursor);
  const hints = useMemo<Hint[]>(() => {
    const near = (s: string | undefined) => (s ?? "").toLowerCase().includes(now.word.toLowerCase());
    if (now.of === "status/errorCode") {
      return (codes.data?.value ?? []).filter((c) => near(String(c.errorCode)) || near(c.meaning) || near(c.name)).slice(0, 10)
        .map((c) => ({ insert: String(c.errorCode), label: String(c.errorCode), about: c.meaning ?? c.name ?? "" }));
    }
    if (now.of === "activityDisplayName" || now.of === "category" || now.of === "loggedByService") {
      const pick = (a: { activity?: string; category?: string; service?: string }) => now.of === "category" ? a.category : now.of === "loggedByService" ? a.service : a.activity;
      return [...new Set((activities.data?.value ?? []).map(pick).filter((v): v is string => !!v && near(v)))].slice(0, 10)
        .map((v) => ({ insert: `'${v.replaceAll("'", "''")}'`, label: v, about: "" }));
    }
    if (now.of || now.word.length < 1) return [];
    const start = now.word.toLowerCase();
    return (properties.data?.value ?? []).filter((p) => near(p.property))
      .sort((a, b) => Number(b.property!.toLowerCase().startsWith(start)) - Number(a.property!.toLowerCase().startsWith(start)))
      .filter((p) => p.property !== now.word).slice(0, 10)
      .map((p) => ({ insert: p.property! + " eq ", label: p.property!, about: [p.type, p.meaning].filter(Boolean).join(": ") }));
  }, [now.of, now.word, properties.data, codes.data, activities.data]);
  const shown = open && hints.length > 0;
  const take = (h: Hint) => {
    const next = value.slice(0, now.start) + h.insert + value.slice(cursor);
    change(next);
    const to = now.start + h.insert.length;
    setCursor(to);
    setAt(0);
    setOpen(false);
    setTimeout(() => {
      field.current?.focus();
      field.current?.setSelectionRange(to, to);
    });
  };
  const key = (e: KeyboardEvent) => {
    if (!shown) return;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      setAt((at + (e.key === "ArrowDown" ? 1 : hints.length - 1)) % hints.length);
    } else if (e.key === "Tab" || e.key === "Enter") {
      e.preventDefault();
      take(hints[Math.min(at, hints.length - 1)]!);
    } else if (e.key === "Escape") {
      setOpen(false);
    }
  };
  return (
    <div class="suggest">
      <input type="text" ref={field} id="filter" autoComplete="off" value={value} spellcheck={false} role="combobox" aria-autocomplete="list" aria-expanded={shown}
        aria-controls="hints" aria-activedescendant={shown ? `hint${at}` : undefined} placeholder="status/errorCode ne 0 and location/countryOrRegion eq 'CH'"
        onInput={(e) => { change(e.currentTarget.value); setCursor(e.currentTarget.selectionStart ?? 0); setOpen(true); setAt(0); }}
        onClick={(e) => setCursor(e.currentTarget.selectionStart ?? 0)} onKeyDown={key} onBlur={() => setTimeout(() => setOpen(false), 150)} />
      <ul id="hints" role="listbox" aria-label="Suggestions" hidden={!shown}>
        {shown && hints.map((h, i) => (
          <li key={h.label} id={`hint${i}`} role="option" aria-selected={i === at} onMouseDown={(e) => { e.preventDefault(); take(h); }}>
            <code>{h.label}</code> <span class="note">{h.about}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
