// What the page must not claim: that something is whole, verified or counted where it is not.
import { accessible, check, equal, error, give, instead, json, mark } from "./harness.mjs";
import { ask, settled } from "./page.mjs";

/** An answer of a verification. */
const verification = (more) => ({ status: "intact", percentComplete: 100, windowsVerified: 10, recordsVerified: 20, differences: {}, heads: [], purges: [], repairs: [],
  findingsNotListed: 0, ranges: [], rangesNotListed: 0, value: [], ...more });
const later = { ...json(verification({ status: "running", percentComplete: 42 })), status: 202, headers: { Location: "/api/verify/job-1", "Retry-After": "1" } };

export async function claims({ app, at, coverage, fullest }) {
  console.log("What is not claimed:");
  const verify = async (page, ...answers) => {
    await settled(page);
    await instead(page, "verify", ...answers);
    await page.getByRole("button", { name: "Verify" }).click();
  };
  const said = async (page, word, not = "nothing was changed") => {
    await page.locator(".verify .badge").getByText(word, { exact: true }).waitFor();
    equal((await page.locator(".verify").innerText()).includes(not), false, "it says " + not);
    await accessible(page);
  };
  const calendar = { at: `#/coverage?log=${fullest.stream}` };
  await check("a verification that is stopped has verified nothing", () => at(calendar, async ({ page }) => {
    await verify(page, later);
    await page.getByText("42 %").first().waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await said(page, "not ended");
  }));
  await check("a verification that fails on its way has verified nothing", () => at(calendar, async ({ page }) => {
    await verify(page, later, error(403, "role", "the caller lacks an app role"));
    await page.getByText("lacks an app role").waitFor();
    await said(page, "not ended");
  }));
  await check("a verification goes on where the app is busy or away for a moment", () => at(calendar, async ({ page }) => {
    await verify(page, later, error(429, "tooManyRequests", "as many are answered as can be", { "Retry-After": "1" }), "cut", json(verification()));
    await page.getByText("nothing was changed, nothing is missing").waitFor({ timeout: 15_000 });
    equal(await page.locator(".trouble").count(), 0, "errors");
  }));
  await check("a range that the archive has nothing of is not verified", () => at(calendar, async ({ page }) => {
    await verify(page, json(verification({ windowsVerified: 0, recordsVerified: 0 })));
    await said(page, "nothing to verify");
  }));
  await check("hours that are not sealed differ from nothing, and are told", () => at(calendar, async ({ page }) => {
    await verify(page, json(verification({ ranges: [{ stream: fullest.stream, difference: "unsealed", detail: "2 hours are not sealed yet" }] })));
    await page.getByText("2 hours are not sealed yet").waitFor();
    await said(page, "intact", "nothing is missing");
  }));

  const logs = async (page, list) => {
    await instead(page, "coverage$", json({ "@odata.count": list.length, asOfDateTime: "2026-11-26T00:00:00Z", value: list }));
    await instead(page, "status$", json({ asOfDateTime: "2026-11-26T00:00:00Z", needsNobody: true, "@odata.count": 0, value: [] }));
    await give(page);
    await settled(page);
    return (await page.locator(".stat").first().innerText()).replace(/\s+/g, " ") + " | " + (await mark(page, "calm"));
  };
  const one = coverage.find((l) => l.collected && l.completeUntilDateTime);
  const { completeUntilDateTime: _, ...never } = { ...one, stream: "provisioning", status: "notStarted", records: 0 };
  for (const [what, list, has, hasNot] of [
    ["no log at all is up to date", [], "No log is collected", "p to date"],
    ["a log that was never read is not complete until a time", [one, never], "1 log was never read", "All logs complete"],
    ["a log that was never read is not up to date", [one, never], "1 log is not up to date yet", "every log that is collected is up to date"],
    ["lost hours stand beside what is complete", [{ ...one, windowsLost: 3 }], "but for 3 lost hours", "No hour is lost"],
    ["what is up to date is said to be", [one], "every log that is collected is up to date", "behind"],
  ]) {
    await check(what, () => at({ given: "" }, async ({ page }) => {
      const text = await logs(page, list);
      equal([text.includes(has), text.includes(hasNot)].join(), "true,false", `"${has}", and not "${hasNot}", in "${text}"`);
    }));
  }

  await check("all pages of credentials are counted, and owners of one name are two", () => at({ at: "#/directory/credentials?by=owner", given: "" }, async ({ page }) => {
    const row = (i) => ({ keyId: "k" + i, objectId: "o" + i, appId: "a" + i, appDisplayName: "App " + i, kind: "secret", state: "expiring", daysLeft: i, reason: "it ends",
      endDateTime: new Date(Date.now() + i * 86_400_000).toISOString(), owners: [{ id: "w" + (i % 2), displayName: "Kim" }], noOwner: false });
    await page.route(/\/api\/expiring-credentials\?/, (route) => route.fulfill(json(route.request().url().includes("skiptoken") ? { value: [row(3), row(4)] }
      : { asOfDateTime: "2026-11-26T00:00:00Z", value: [row(1), row(2)], "@odata.count": 4, "@odata.nextLink": app.base + "/api/expiring-credentials?$skiptoken=2" })));
    await give(page);
    await settled(page);
    equal(await page.locator("[data-mark=timeline]").getAttribute("data-total"), "4", "credentials on the time line");
    equal(await page.locator("[data-mark=weeks]").getAttribute("data-total"), "4", "credentials by week");
    equal(await page.locator(".timeline > ul > li").count(), 2, "owners");
    await page.evaluate(() => { location.hash = "#/today"; });
    await settled(page);
    equal(await page.locator("[data-mark=ending]").getAttribute("data-total"), "4", "credentials on Today");
  }));
  await check("a date that is none is text, and takes no view with it", () => at({ at: "#/search", given: "" }, async ({ page }) => {
    await instead(page, "auditLogs", json({ value: [{ id: "1", createdDateTime: "2026-13-45T99:99:99Z", other: "2026-99-99T99:99:99Z" }] }));
    await give(page);
    await page.locator("tbody button.row").first().click();
    await page.locator(".detail").getByText("2026-99-99T99:99:99Z").waitFor();
    await page.evaluate(() => { location.hash = "#/coverage?hour=2026-99-99T09"; });
    await settled(page);
    equal(await page.getByText("This view failed").count(), 0, "views that failed");
  }));
  await check("the app's own ceiling is not called Graph's", () => at({ given: "" }, async ({ page }) => {
    await instead(page, "runs$", error(429, "tooManyRequests", "as many are answered at once as can be", { "Retry-After": "30" }));
    await give(page);
    await page.getByText("The app is busy").waitFor();
    equal(await page.getByText("Microsoft Graph asks").count(), 0, "words of Graph");
  }));
  await check("what can't be a key is not sent, and not called a lost connection", () => at({ given: "ключ" }, async ({ page, asked }) => {
    await page.getByText("This is no key").waitFor();
    await accessible(page);
    equal(asked.filter((r) => !r.url().includes("/api/ui")).length, 0, "questions");
  }));
  await check("what is written with or stays within its log, in the list and in the file", () => at({ at: "#/search?in=signIns.nonInteractiveUser" }, async ({ page, asked }) => {
    await settled(page);
    await page.fill("#filter", "status/errorCode eq 0 or status/errorCode ne 0");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await settled(page);
    equal(await page.locator(".trouble").count(), 0, "errors");
    const filter = "signInEventTypes/any(t: t eq 'nonInteractiveUser') and (status/errorCode eq 0 or status/errorCode ne 0)";
    const got = await ask(app.base, "auditLogs/signIns?$top=200&$filter=" + encodeURIComponent(filter));
    equal(await page.locator("table").first().getAttribute("aria-rowcount"), String(got.value.length + 1), "rows");
    await page.route(/\/api\/downloads\//, (route) => route.fulfill({ status: 200, contentType: "text/csv", body: "a\r\n" }));
    await page.evaluate(() => { location.hash = "#/search?in=signIns&filter=" + encodeURIComponent("status/errorCode eq 0 and signInEventTypes/any(t: t eq 'servicePrincipal')"); });
    await settled(page);
    const [file] = await Promise.all([page.waitForRequest(/\/api\/downloads\//), page.getByRole("button", { name: "CSV" }).click()]);
    equal(decodeURIComponent(file.url().replaceAll("+", " ")).split("/downloads/")[1], "ApplicationSignIns?$filter=status/errorCode eq 0", "the file that is asked for");
    equal(asked.filter((r) => r.url().includes("downloads")).length, 1, "files");
  }));
  await check("a person that was deleted has sign-ins", () => at({ at: "#/directory/user%2F00000000-0000-4000-8000-000000000abc", given: "" }, async ({ page }) => {
    await give(page);
    await page.getByText("There is no such thing here").waitFor();
    await page.getByRole("region", { name: "Sign-ins, interactive" }).getByText("The archive holds none").waitFor();
  }));
}
