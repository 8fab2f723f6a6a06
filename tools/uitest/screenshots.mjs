// Takes the pictures of docs/screenshots: every view, some of them dark and narrow, too. Coverage shows a year.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { deliver } from "./identitymanager.mjs";
import { ask, browser, open, serving, settled } from "./page.mjs";
import { yearOfRecords } from "./year.mjs";

const out = process.env.OUT ?? join(dirname(fileURLToPath(import.meta.url)), "../../docs/screenshots");
const light = { light: {} };
const all = { ...light, dark: { theme: "dark" }, narrow: { width: 360, height: 740 } };
const only = process.env.ONLY?.split(",");
mkdirSync(out, { recursive: true });
const chrome = await browser();

async function picture(base, name, at, kinds = all, act = async () => {}) {
  if (only && !only.includes(name)) return;
  for (const [kind, how] of Object.entries(kinds)) {
    const { page, context, trouble } = await open(chrome, base, { ...how, at });
    await settled(page);
    await act(page);
    await page.evaluate(() => document.activeElement?.blur());
    await page.screenshot({ path: join(out, `${name}-${kind}.png`), fullPage: process.env.FULL === "1" && kind !== "narrow" });
    await context.close();
    if (trouble.length > 0) throw new Error(`${name}, ${kind}: ${trouble.join("; ")}`);
    console.log(`  ${name}-${kind}.png`);
  }
}

let app = await serving(["--users", "300", "--days", "30"]);
try {
  await deliver(app.base, 200);
  const people = (await ask(app.base, "inactive-users?state=all&$top=200")).value;
  const person = people.find((u) => u.lastArchivedSignInDateTime) ?? people[0];
  const { appId } = (await ask(app.base, "expiring-credentials?state=all&$top=1")).value[0];
  await picture(app.base, "today", "#/today");
  await picture(app.base, "search", "#/search?in=signIns.interactiveUser&filter=" + encodeURIComponent("status/errorCode ne 0"), light, async (page) => {
    await page.locator("tbody button.row").first().click();
    await settled(page);
    await page.evaluate(() => scrollTo(0, 0));
  });
  await picture(app.base, "users", "#/directory/users", light);
  await picture(app.base, "credentials", "#/directory/credentials");
  await picture(app.base, "person", "#/directory/" + encodeURIComponent("user/" + person.id), light);
  await picture(app.base, "application", "#/directory/" + encodeURIComponent("application/" + appId), light);
  await picture(app.base, "report", "#/reports/mim-password-reset", light);
  await picture(app.base, "delivered", "#/coverage?log=identityManager", light);
  await picture(app.base, "settings", "#/settings", light);
  await app.stop();
  app = await serving(["--records", yearOfRecords()], "--year");
  const day = (await ask(app.base, "coverage/directoryAudits?by=day&$top=400")).value.slice(0, -30).findLast((d) => Math.max(...d.recordsByHour) > 3);
  const hour = `${day.startDateTime.slice(0, 10)}T${String(day.recordsByHour.indexOf(Math.max(...day.recordsByHour))).padStart(2, "0")}`;
  await picture(app.base, "coverage", "#/coverage?log=directoryAudits&hour=" + hour);
  await picture(app.base, "records", "#/coverage?log=directoryAudits&shade=records", light);
} finally {
  await chrome.close();
  await app.stop();
}
