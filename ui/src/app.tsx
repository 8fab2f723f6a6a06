import { useSignalEffect } from "@preact/signals";
import { Component, type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { forget } from "./api/use";
import { Trouble } from "./components/basic";
import { dark, key, place, refused, round, theme, to, type Theme } from "./state";
import { views, type View } from "./views/list";

/** The page: the menu, and the view that the address names. */
export function App() {
  useSignalEffect(() => {
    document.documentElement.dataset.theme = dark.value ? "dark" : "light";
  });
  const view = views.find((v) => v.id === place.value.view) ?? views[0]!;
  useEffect(() => {
    document.title = `${view.title} · Entra Ledger`;
  }, [view]);
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
      <Menu here={view} />
      <main id="main" tabIndex={-1}>
        {key.value ? (
          <Guard key={view.id}>
            <header class="view">
              <h1>{view.title}</h1>
              <p>{view.about}</p>
            </header>
            <view.Page />
          </Guard>
        ) : <Gate />}
      </main>
    </>
  );
}

function Menu({ here }: { here: View }) {
  return (
    <nav class="menu" aria-label="Views">
      <a class="brand" href={to(views[0]!.id)}><Mark /> Entra Ledger</a>
      <ul>
        {views.map((v) => (
          <li key={v.id}>
            <a href={to(v.id)} aria-current={v === here ? "page" : undefined}>
              <svg viewBox="0 0 20 20" aria-hidden="true"><path d={v.icon} /></svg>
              {v.title}
            </a>
          </li>
        ))}
      </ul>
      <div class="foot">
        {key.value && (
          <>
            <button type="button" onClick={() => { forget(); round.value++; }}>Refresh</button>
            <button type="button" onClick={() => { forget(); refused.value = null; key.value = ""; }}>Forget key</button>
          </>
        )}
        <label>
          <span class="theme">Theme</span>
          <select value={theme.value} onChange={(e) => { theme.value = e.currentTarget.value as Theme; }}>
            <option value="auto">Auto</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        <a class="small" href="/api/ui/licences.txt">Licences</a>
      </div>
    </nav>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 20 20" aria-hidden="true">
      {[0, 1, 2, 3, 4, 5, 6, 7, 8].map((i) => (
        <rect key={i} x={2 + (i % 3) * 5.75} y={2 + Math.floor(i / 3) * 5.75} width="4.5" height="4.5" rx="1" opacity={i === 4 || i === 8 ? 0.45 : 1} />
      ))}
    </svg>
  );
}

/** Asks for the key, before anything else. */
function Gate() {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const submit = (e: Event) => {
    e.preventDefault();
    const given = text.trim();
    if (!given) return;
    const sent = /^[\x21-\x7e]+$/.test(given); // what can't be in a header is no key, and fetch would not send it
    setWrong(!sent);
    refused.value = null;
    if (!sent) return;
    setText("");
    forget();
    key.value = given;
  };
  const back = encodeURIComponent(location.pathname);
  return (
    <div class="gate">
      <form onSubmit={submit} autoComplete="off">
        <h1>Entra Ledger</h1>
        <p>What your tenant's logs say, as the archive in your own subscription holds it.</p>
        {refused.value && <Trouble problem={refused.value} />}
        {wrong && <p class="trouble" role="alert">This is no key: it has spaces, or letters that no key has. Copy it again.</p>}
        {refused.value?.signIn && <p><a class="button" href={`/.auth/login/aad?post_login_redirect_uri=${back}`}>Sign in with Microsoft</a></p>}
        <label for="key">Function key</label>
        <div class="with">
          {/* Browsers offer to keep a password in spite of "off"; what is for once they don't. */}
          <input ref={field} id="key" type="password" autoComplete="one-time-code" spellcheck={false} required aria-describedby="keyhelp"
            value={text} onInput={(e) => setText(e.currentTarget.value)} />
          <button type="submit" class="primary">Open</button>
        </div>
        <p class="note" id="keyhelp">
          In the Azure portal: the function app, Functions, App keys, Host keys. The key stays in this tab's memory: close the
          tab, and it is forgotten. It is in no address, no storage and no log.
        </p>
      </form>
    </div>
  );
}

/** Keeps a view that fails from taking the page with it. */
class Guard extends Component<{ children: ComponentChildren }, { failed: Error | null }> {
  override state = { failed: null };
  static override getDerivedStateFromError(failed: Error) {
    return { failed };
  }
  override render() {
    const failed = this.state.failed as Error | null;
    if (!failed) return this.props.children;
    return <Trouble problem={{ status: -1, at: new Date(), message: `This view failed: ${failed.message}. The other views work.` }}
      reload={() => this.setState({ failed: null })} />;
  }
}
