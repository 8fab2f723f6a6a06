// What goes wrong, and what records hold: each line of bad input that the page has to bear, in the app's stead.
import { readFileSync } from "node:fs";
import { accessible, check, equal, error, give, instead, json, mark, number } from "./harness.mjs";
import { ask, key, settled } from "./page.mjs";

export async function wrong({ app, at, coverage, fullest, inactive }) {
  console.log("What goes wrong:");
  for (const [what, answer, says] of [
    ["403", error(403, "role", "the caller lacks an app role; assign Ledger.Read to it"), "assign Ledger.Read to it"],
    ["409", error(409, "tampered", "read progress: the row was changed"), "Stored data was changed"],
    ["429", error(429, "throttled", "slow", { "Retry-After": "7" }), "Trying again in"],
    ["503", error(503, "unavailable", "the storage is away", { "Retry-After": "9" }), "the storage is away"],
    ["500 of the host, without a body", { status: 500, body: "" }, "HTTP 500"],
    ["504 of the platform", { status: 504, body: "<html>gateway" }, "It took too long"],
    ["no answer", "cut", "can't be reached"],
    ["half an answer", { status: 200, contentType: "application/json", body: '{"value":[' }, "broke off"],
  ]) {
    await check(what, () => at({ at: "#/coverage", given: "" }, async ({ page }) => {
      await instead(page, "coverage", answer);
      await give(page);
      await page.locator(".trouble", { hasText: says }).first().waitFor();
      if (typeof answer.body === "string" && answer.body.includes("4711-id")) await page.locator(".trouble", { hasText: "4711-id" }).first().waitFor();
      await accessible(page);
    }));
  }
  await check("an app that restarts is asked again by itself", () => at({ at: "#/coverage", given: "" }, async ({ page }) => {
    await instead(page, "coverage$", error(503, "unavailable", "starting", { "Retry-After": "1" }), null);
    await give(page);
    await page.locator("[data-mark=log-records]").waitFor({ timeout: 15_000 });
  }));
  await check("an app that is gone for a moment is asked again by itself", () => at({ at: "#/coverage", given: "" }, async ({ page }) => {
    await instead(page, "coverage$", "cut", null);
    await give(page);
    await page.getByText("It may be restarting").waitFor();
    await page.locator("[data-mark=log-records]").waitFor({ timeout: 15_000 });
  }));
  await check("429 waits as long as it is told to, and not longer", () => at({ at: "#/coverage", given: "" }, async ({ page, asked }) => {
    await instead(page, "coverage$", error(429, "throttled", "slow", { "Retry-After": "3" }), null);
    await give(page);
    await page.getByText("Trying again in").waitFor();
    const began = Date.now();
    await page.locator("[data-mark=log-records]").waitFor({ timeout: 20_000 });
    const took = Date.now() - began;
    if (took < 2000) throw new Error(`it asked again after ${took} ms`);
    equal(asked.filter((r) => r.url().endsWith("/api/coverage")).length, 2, "it asked twice");
  }));
  await check("a key that expires while the page is open is asked for again, and the view stays", () => at({ at: "#/coverage?days=90" }, async ({ page }) => {
    await settled(page);
    await instead(page, "", { status: 401, body: "" });
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.getByText("The key was not accepted").waitFor();
    equal(await page.inputValue("#key"), "", "the field");
    equal(await page.locator("[data-mark=log-records]").count(), 0, "what is shown without a key");
    await page.unroute(/\/api\//);
    await give(page);
    await page.locator("[data-mark=log-records]").waitFor();
    equal(new URL(page.url()).hash, "#/coverage?days=90", "the view");
  }));
  await check("sign-in is offered where Microsoft Entra authentication stands in front", () => at({ given: "" }, async ({ page }) => {
    await instead(page, "", { status: 401, headers: { "WWW-Authenticate": "Bearer" }, body: "" });
    await give(page);
    equal(await page.getByRole("link", { name: "Sign in with Microsoft" }).getAttribute("href"), "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fui", "the link");
  }));
  await check("202 is followed, on this host alone, and shown", () => at({ at: `#/coverage?log=${fullest.stream}` }, async ({ page, asked }) => {
    await settled(page);
    const later = { status: 202, contentType: "application/json", headers: { Location: "https://evil.example/api/verify/job-1", "Retry-After": "1" },
      body: JSON.stringify({ status: "running", percentComplete: 42, windowsVerified: 10, recordsVerified: 20, differences: {}, heads: [], purges: [], repairs: [],
        findingsNotListed: 0, ranges: [], rangesNotListed: 0, value: [] }) };
    const done = { ...later, status: 200, headers: {}, body: later.body.replace("42", "100").replace("running", "intact") };
    await instead(page, "verify", later, done);
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("42 %").first().waitFor();
    await page.getByText("nothing was changed").waitFor();
    equal(asked.some((r) => r.url().startsWith(app.base + "/api/verify/job-1")), true, "it went on here");
  }));
  await check("an hour is verified from here", () => at({ at: `#/coverage?log=${fullest.stream}` }, async ({ page }) => {
    await settled(page);
    await page.locator(".heat .scroll").focus();
    for (const k of ["ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowDown", "Enter"]) await page.keyboard.press(k);
    await settled(page);
    const hour = /hour=(\S{10})T(\d\d)/.exec(page.url());
    const day = new Date(Math.floor(Date.now() / 86_400_000 - 2) * 86_400_000).toISOString().slice(0, 10);
    equal(hour?.[1] + " " + hour?.[2], day + " 02", "the hour that the arrow keys lead to");
    const row = (await ask(app.base, `coverage/${fullest.stream}?from=${hour[1]}T${hour[2]}:00:00Z&$top=1`)).value[0];
    equal(await mark(page, "hour-records"), number(row.records), "its records");
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText("nothing was changed").waitFor({ timeout: 60_000 });
    await accessible(page);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download its proof" }).first().click()]);
    const proof = JSON.parse(readFileSync(await file.path(), "utf8"));
    if (!proof.recordHash || !proof.logProof) throw new Error("the proof is " + JSON.stringify(proof).slice(0, 200));
    const seal = await ask(app.base, `verify/seal?stream=${fullest.stream}&hour=${hour[1]}T${hour[2]}:00:00Z`);
    equal(await mark(page, "seal"), seal.text, "the entry of the log of seals");
    equal(proof.seal, seal.text, "the seal in the proof");
    const [entry] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download it", exact: true }).click()]);
    equal(readFileSync(await entry.path(), "utf8"), seal.text, "the downloaded entry");
  }));
  await check("a file is downloaded with the key in its header", () => at({ at: "#/directory/users" }, async ({ page }) => {
    await settled(page);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    equal(readFileSync(await file.path(), "utf8").trim().split("\r\n").length, inactive.value.length + 1, "lines");
  }));
  await check("a tenant with no data yet: each view says what to do", () => at({ given: "" }, async ({ page }) => {
    const none = { asOfDateTime: "2026-11-26T00:00:00Z", "@odata.count": 0, value: [] };
    await instead(page, "(inactive|expiring).*", error(503, "noSnapshot", "there is no snapshot yet", { "Retry-After": "300" }));
    await instead(page, "(coverage|runs|snapshot|auditLogs/\\w+)($|\\?)", json(none));
    await instead(page, "status$", json({ ...none, needsNobody: true }));
    await instead(page, "preflight/latest", error(404, "notFound", "this version has made none yet"));
    await give(page);
    await page.getByText("No log is archived yet").waitFor();
    await page.getByText("There is no snapshot of the directory yet").first().waitFor();
    await page.getByText("Nothing ran yet").waitFor();
    await accessible(page);
    for (const [where, says] of [["coverage", "Name logs in ARCHIVE_STREAMS"], ["search", "The archive holds no such record"], ["directory", "POST /api/snapshot makes one now"],
      ["directory/credentials", "POST /api/snapshot makes one now"], ["settings", "Nothing was checked yet"]]) {
      await page.evaluate((to) => { location.hash = "#/" + to; }, where);
      await page.getByText(says).first().waitFor();
      await accessible(page);
    }
  }));
  await check("a log without licence, hours about to be lost and tampering need somebody", () => at({ given: "" }, async ({ page }) => {
    const need = (kind, stream, reason, more) => ({ severity: "error", kind, stream, subject: stream, reason, ...more });
    await instead(page, "status$", json({ asOfDateTime: "2026-11-26T00:00:00Z", needsNobody: false, "@odata.count": 4, value: [
      need("failing", "signIns.interactiveUser", "read signIns: the tenant has no licence", { code: "licenceMissing", remedy: "this log takes a Microsoft Entra ID P1 or P2 licence" }),
      need("aboutToBeLost", "provisioning", "5 hours still to be read", { dueDateTime: new Date(Date.now() + 3_600_000).toISOString() }),
      need("tampered", "directoryAudits", "read row progress: it is not there", { code: "tampered" }),
      need("lost", "directoryAudits", "Graph had forgotten 3 hours", { severity: "notice" })] }));
    const [one, ...rest] = coverage.map((l) => ({ ...l }));
    Object.assign(one, { status: "failing", lastError: { dateTime: "2026-11-26T00:00:00Z", code: "licenceMissing", message: "read signIns: the tenant has no licence" } });
    await instead(page, "coverage$", json({ "@odata.count": coverage.length, asOfDateTime: "2026-11-26T00:00:00Z", value: [one, ...rest] }));
    await give(page);
    await page.getByText("takes a Microsoft Entra ID P1 or P2 licence").waitFor();
    for (const word of ["about to be lost", "tampering", "failing"]) await page.locator("[data-mark=needs]").first().getByText(word, { exact: true }).waitFor();
    await page.getByText("1 thing that is known and stays").waitFor();
    await page.getByText(/^1 of \d+ logs behind$/).waitFor();
    await accessible(page);
  }));
  await check("a deep link to what is not there, and to no view", () => at({ at: "#/directory/user%2Fnobody%40nowhere" }, async ({ page }) => {
    await page.getByText("There is no such thing here").waitFor();
    await page.evaluate(() => { location.hash = "#/no-such-view/%E0%A4%A"; });
    await settled(page);
    equal(await page.locator("h1").innerText(), "Today", "the view");
  }));

  await check("a deep link to an hour that was purged", () => at({ at: `#/coverage?log=${fullest.stream}&hour=2026-01-05T09`, given: "" }, async ({ page }) => {
    const row = (await ask(app.base, `coverage/${fullest.stream}?$top=1`)).value[0];
    await instead(page, `coverage/${fullest.stream}\\?from=2026-01-05T09`, { status: 200, contentType: "application/json", body: JSON.stringify({ asOfDateTime: row.startDateTime,
      value: [{ ...row, status: "purged", reason: "purged on 2026-11-01 by ARCHIVE_RETENTION=90d", records: 0 }] }) });
    await give(page);
    await page.getByText("Purged on 2026-11-01 by ARCHIVE_RETENTION=90d").waitFor();
    await page.getByText("Its records were dropped").waitFor();
    await accessible(page);
  }));
  await check("a tab that was asleep for a day asks anew", () => at({}, async ({ page, asked }) => {
    await settled(page);
    const before = asked.filter((r) => r.url().endsWith("/api/coverage")).length;
    await page.evaluate(() => {
      const real = Date.now;
      const be = (state) => {
        Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      };
      be("hidden");
      Date.now = () => real() + 86_400_000;
      be("visible");
      Date.now = real;
    });
    await settled(page);
    equal(asked.filter((r) => r.url().endsWith("/api/coverage")).length > before, true, "it asked again");
  }));

  console.log("What records hold is text:");
  const nasty = ['<img src=x onerror="window.hit=1">', "<script>window.hit=1</script>", "\u202Egpj.exe\u202C", "{{7*7}} ${7*7}", "javascript:window.hit=1", "שלום <b>x</b>", "a".repeat(4000)];
  await check("markup in names, in lists and in details", () => at({ at: "#/search", given: "" }, async ({ page }) => {
    const value = nasty.map((n, i) => ({ id: `${i}${n.slice(0, 40)}`, createdDateTime: "2026-11-26T10:00:00Z", userDisplayName: n, appDisplayName: n, ipAddress: n.slice(0, 60), clientAppUsed: n,
      status: { errorCode: 0, failureReason: n }, location: { city: n, countryOrRegion: n }, [n.slice(0, 30)]: n }));
    await instead(page, "auditLogs", { status: 200, contentType: "application/json", body: JSON.stringify({ value, "@entraledger.hint": nasty[0], "@entraledger.gaps": [{ startDateTime: "2026-11-01T00:00:00Z", endDateTime: "2026-11-02T00:00:00Z", reason: nasty[1] }] }) });
    await give(page);
    await settled(page);
    for (let i = 0; i < nasty.length; i++) {
      await page.locator("tbody button.row").nth(i).click();
      await page.locator(".detail").waitFor();
      await page.getByRole("button", { name: "JSON", exact: true }).click();
    }
    await page.setViewportSize({ width: 360, height: 740 });
    equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "long texts fit");
    equal(await page.evaluate(() => [window.hit ?? "none", document.querySelectorAll("main img, main script").length].join()), "none,0", "what ran");
    equal((await page.locator("tbody td").filter({ hasText: "<script>" }).count()) > 0, true, "markup stands as text");
  }));
  await check("a message of another origin does nothing", () => at({}, async ({ page }) => {
    await settled(page);
    const before = await page.locator("main").innerHTML();
    await page.evaluate(() => { for (const data of ["key", { key: 1 }, "<b>"]) window.dispatchEvent(new MessageEvent("message", { data, origin: "https://evil.example" })); });
    equal(await page.locator("main").innerHTML(), before, "the page");
  }));
  await check("markup and right-to-left text in names of users, applications, owners, runs and reports", () => at({ given: "" }, async ({ page }) => {
    const list = (rows, more = {}) => json({ asOfDateTime: "2026-11-26T00:00:00Z", "@odata.count": rows.length, value: rows, ...more });
    const credential = (n, i) => ({ keyId: "k" + i, objectId: "o" + i, appId: "a" + i, appDisplayName: n, kind: "secret", state: "expiring", reason: n, daysLeft: i,
      endDateTime: new Date(Date.now() + i * 86_400_000).toISOString(), owners: [{ id: "w" + i, displayName: n }], noOwner: false });
    await instead(page, "inactive-users\\?", list(nasty.map((n, i) => ({ ...inactive.value[0], id: "u" + i, displayName: n, userPrincipalName: n, department: n, reason: n }))));
    await instead(page, "expiring-credentials\\?", list(nasty.map(credential)));
    await instead(page, "runs$", list(nasty.map((n, i) => ({ function: n, startDateTime: "2026-11-26T00:00:0" + i + "Z", status: "failed", error: n }))));
    await instead(page, "status$", list(nasty.map((n) => ({ severity: "error", kind: "check", subject: n, reason: n, remedy: n })), { needsNobody: false }));
    await instead(page, "reports$", list([{ name: "auditEvents", description: nasty[0], address: "x", status: "answered", legacy: true, source: nasty[1], columns: ["eventTime", "actor", nasty[0]], ownProperties: [], mergeable: false }]));
    await instead(page, "reports/auditEvents", list(nasty.map((n) => ({ eventTime: "2026-11-26T00:00:00Z", actor: n, [nasty[0]]: [n, { n }] }))));
    await give(page);
    for (const where of ["today", "directory/users", "directory/credentials", "directory/credentials?by=owner", "reports", "reports/auditEvents"]) {
      await page.evaluate((to) => { location.hash = "#/" + to; }, where);
      await settled(page);
      equal(await page.evaluate(() => [window.hit ?? "none", document.querySelectorAll("main img, main script, main b").length].join()), "none,0", "what ran in " + where);
      equal(await page.locator("main a[href^='javascript:']").count(), 0, "links that run in " + where);
      equal((await page.locator("main").innerText()).includes("<img src=x"), true, "markup stands as text in " + where);
      await page.setViewportSize({ width: 360, height: 740 });
      equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "long names fit in " + where);
      await page.setViewportSize({ width: 1440, height: 900 });
    }
  }));
  await check("an address of another origin in Referer is neither shown, followed nor passed on", () => at({ given: "" }, async ({ page, asked }) => {
    await page.goto(app.base + "/api/ui?code=not-the-key#/today", { referer: "http://evil.example/" });
    await give(page);
    await settled(page);
    equal((await page.content()).includes("evil.example"), false, "the page");
    for (const r of asked.filter((r) => r.url().includes("/api/") && !r.url().includes("/api/ui"))) {
      equal((await r.allHeaders()).referer ?? "none", "none", "the Referer of " + r.url());
    }
    const resp = await fetch(app.base + "/api/inactive-users?$top=1", { headers: { "x-functions-key": key, Referer: "https://evil.example/", Origin: "https://evil.example" } });
    equal((await resp.text()).includes("evil.example"), false, "links of an answer");
    equal(resp.headers.get("access-control-allow-origin"), null, "leave for another origin");
    equal((await fetch(app.base + "/api/ui")).headers.get("referrer-policy"), "same-origin", "the page's policy");
  }));
  await check("100,000 rows scroll", () => at({ at: "#/directory/users", given: "" }, async ({ page }) => {
    const value = Array.from({ length: 100_000 }, (_, i) => ({ ...inactive.value[0], id: "id" + i, displayName: "User " + i, daysInactive: i }));
    await page.route(/\/api\/inactive-users\?/, (route) => route.fulfill({ status: 200, contentType: "application/json", body: JSON.stringify({ value, "@odata.count": 100_000 }) }));
    await give(page);
    await settled(page);
    const took = await page.evaluate(async () => {
      const box = document.querySelector(".table.virtual");
      const frame = () => new Promise((done) => requestAnimationFrame(done));
      let worst = 0;
      for (let i = 0; i <= 40; i++) {
        const began = performance.now();
        box.scrollTop = (box.scrollHeight * i) / 40;
        await frame();
        await frame();
        worst = Math.max(worst, performance.now() - began);
      }
      return [Math.round(worst), document.querySelectorAll("tbody tr").length, box.innerText.includes("User 99999")].join();
    });
    const [worst, rows, end] = took.split(",");
    console.log(`       the slowest of 40 jumps took ${worst} ms, ${rows} rows are drawn`);
    equal(end, "true", "the last row is reached");
    if (Number(rows) > 200) throw new Error(rows + " rows are drawn");
  }));
}
