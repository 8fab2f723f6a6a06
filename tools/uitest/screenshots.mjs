// Takes the pictures of docs/screenshots: every view, light and dark, wide and narrow.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ask, browser, open, serving, settled } from "./page.mjs";

const out = process.env.OUT ?? join(dirname(fileURLToPath(import.meta.url)), "../../docs/screenshots");
mkdirSync(out, { recursive: true });
const app = await serving(["--users", "300", "--days", "30"]);
const chrome = await browser();
try {
  const inactive = await ask(app.base, "inactive-users?state=all&$top=200");
  const person = inactive.value.find((u) => u.lastArchivedSignInDateTime) ?? inactive.value[0];
  const credentials = await ask(app.base, "expiring-credentials?state=all&$top=1");
  const day = new Date(Date.now() - 3 * 86_400_000).toISOString().slice(0, 10);
  const places = {
    today: "#/today",
    coverage: `#/coverage?log=signIns.interactiveUser&hour=${day}T09`,
    search: "#/search?in=signIns.interactiveUser&filter=" + encodeURIComponent("status/errorCode ne 0"),
    users: "#/directory/users",
    credentials: "#/directory/credentials",
    person: "#/directory/" + encodeURIComponent("user/" + person.id),
    application: "#/directory/" + encodeURIComponent("application/" + credentials.value[0].appId),
    settings: "#/settings",
  };
  const only = process.env.ONLY?.split(",");
  for (const [name, at] of Object.entries(places)) {
    if (only && !only.includes(name)) continue;
    for (const [kind, how] of Object.entries({ light: {}, dark: { theme: "dark" }, narrow: { width: 360, height: 740 } })) {
      const { page, context, trouble } = await open(chrome, app.base, { ...how, at });
      await settled(page);
      if (name === "search") {
        await page.locator("tbody tr.open").first().click();
        await settled(page);
      }
      await page.evaluate(() => document.activeElement?.blur());
      const file = join(out, `${name}-${kind}.png`);
      await page.screenshot({ path: file, fullPage: kind !== "narrow" && process.env.FULL === "1" });
      if (trouble.length > 0) throw new Error(`${name}, ${kind}: ${trouble.join("; ")}`);
      console.log("  " + file.slice(out.length + 1));
      await context.close();
    }
  }
} finally {
  await chrome.close();
  await app.stop();
}
