// Every page, light and dark, at three widths: nothing for axe to complain
// about, no console or policy error, no sideways scroll. The screenshots are
// left in build/screenshots.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import AxeBuilder from "@axe-core/playwright";
import { firstLogIn, logIn, open, password, shots, startBrowser, startLab } from "./office.mjs";

const widths = [390, 768, 1280];
const schemes = ["light", "dark"];
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let lab, browser, cookies, made = 0;
const own = "203.0.113.2"; // of the gateway

before(async () => {
  lab = await startLab();
  browser = await startBrowser();
  const page = await open(browser, lab);
  await firstLogIn(page, lab);
  await page.goto("/branches/new");
  await page.getByLabel("Name", { exact: true }).fill("leeds");
  await page.getByLabel("Their address").fill("198.51.100.99");
  await page.getByLabel("Their networks").fill("10.9.0.0/24");
  await page.getByLabel("Shared key", { exact: true }).fill("a key for the screenshots");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/branches/leeds");
  await page.goto("/objects/lists/new");
  await page.getByLabel("Name", { exact: true }).fill("blocked");
  await page.getByLabel("Entries", { exact: true }).fill("192.0.2.0/24\n198.51.100.7\n2001:db8:66::/48");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/objects/lists");
  await page.goto("/objects/rules/new");
  await page.getByLabel("Name", { exact: true }).fill("no-entry");
  await page.getByLabel("From").selectOption("wan");
  await page.getByLabel("To", { exact: true }).selectOption("lan");
  await page.getByRole("group", { name: "Source lists" }).getByLabel("blocked").check();
  await page.getByLabel("Action").selectOption("drop");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/objects/rules");
  await page.goto("/objects/rules/new");
  await page.getByLabel("Name").fill("no-print");
  await page.getByLabel("From").selectOption("wan");
  await page.getByLabel("To", { exact: true }).selectOption("lan");
  await page.getByLabel("Action").selectOption("drop");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/objects/rules");
  await page.goto("/branches/new");
  await page.getByLabel("Name", { exact: true }).fill("old");
  await page.getByLabel("Their address").fill("198.51.100.97");
  await page.getByLabel("Their networks").fill("10.19.0.0/24");
  await page.getByLabel("Shared key", { exact: true }).fill("a key for the screenshots");
  await page.getByRole("radio", { name: /^Legacy/ }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/branches/old");
  await makeKeys(page, "hull");
  await page.goto("/objects/manual-sas/new");
  await page.getByLabel("Name", { exact: true }).fill("relic");
  await page.getByLabel("Direction", { exact: true }).selectOption("out");
  await page.getByLabel("Protocol", { exact: true }).selectOption("esp");
  await page.getByLabel("Mode", { exact: true }).selectOption("tunnel");
  await page.getByLabel("Source", { exact: true }).fill(own);
  await page.getByLabel("Destination", { exact: true }).fill("198.51.100.98");
  await page.getByLabel("SPI", { exact: true }).fill("4096");
  await page.getByLabel("Encryption", { exact: true }).selectOption("3des-cbc");
  await page.getByLabel("Encryption key").fill("0123456789abcdef13579bdf02468ace1122334455667789");
  await page.getByLabel("Integrity check", { exact: true }).selectOption("hmac-md5");
  await page.getByLabel("Integrity key").fill("00112233445566778899aabbccddee01");
  await page.getByText("Lifetime and peculiarities").click();
  await page.getByLabel("Broken algorithms").check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL("**/objects/manual-sas");
  cookies = await page.context().storageState();
});

// makeKeys asks for keys for both directions, by the page.
async function makeKeys(page, name) {
  await page.goto("/ipsec/keys");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Address of this gateway").selectOption(own);
  await page.getByLabel("Address of the other side").fill("198.51.100.98");
  await page.getByLabel("Networks here").fill("10.1.0.0/24");
  await page.getByLabel("Networks there").fill("10.66.0.0/24");
  await page.getByRole("button", { name: "Make keys" }).click();
  await page.getByText("shown only now").waitFor();
}

after(async () => {
  await browser?.close();
  await lab?.stop();
});

// prepare brings a page into the state that is looked at.
const views = [
  { name: "login", path: "/login", anonymous: true },
  { name: "login-refused", path: "/login", anonymous: true, status: 401, prepare: async (page) => {
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("There is a problem").waitFor();
  } },
  { name: "overview", path: "/" },
  { name: "bans", path: "/firewall/bans", prepare: async (page) => {
    await page.getByLabel("Address or network").fill("203.0.113.77");
    await page.getByLabel("Reason").fill("a scanner");
    await page.getByRole("button", { name: "Ban", exact: true }).click();
    await page.getByText("203.0.113.77/32").first().waitFor();
  } },
  { name: "protection", path: "/objects/protection/edit?name=protection" },
  { name: "branches", path: "/branches" },
  { name: "branch-up", path: "/branches/branch", prepare: (page) => page.getByText("Technical details").click() },
  { name: "branch-draft", path: "/branches/leeds" },
  { name: "branch-new", path: "/branches/new" },
  { name: "branch-edit", path: "/branches/branch/edit" },
  { name: "branch-wrong", path: "/branches/new", status: 422, prepare: async (page) => {
    await page.getByLabel("Their networks").fill("10.2.0.0/24 nonsense");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("There is a problem").waitFor();
  } },
  { name: "branch-legacy", path: "/branches/old" },
  { name: "branch-legacy-edit", path: "/branches/old/edit" },
  { name: "sas", path: "/ipsec/sas" },
  { name: "sas-none", path: "/ipsec/sas?q=nothing" },
  { name: "policies-in-force", path: "/ipsec/policies" },
  { name: "keys", path: "/ipsec/keys", prepare: (page) => page.getByText("Algorithms", { exact: true }).click() },
  { name: "keys-wrong", path: "/ipsec/keys", status: 422, prepare: async (page) => {
    await page.getByLabel("Name", { exact: true }).fill("hull");
    await page.getByRole("button", { name: "Make keys" }).click();
    await page.getByText("There is a problem").waitFor();
  } },
  { name: "keys-shown", path: "/ipsec/keys", prepare: (page) => makeKeys(page, `shown-${++made}`) },
  { name: "keys-export", path: "/ipsec/keys/export?policy=hull-out" },
  { name: "keys-export-wrong", path: "/ipsec/keys/export", status: 422, prepare: async (page) => {
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByText("There is a problem").waitFor();
  } },
  { name: "manual-sas", path: "/objects/manual-sas" },
  { name: "manual-sa-legacy", path: "/objects/manual-sas/edit?name=relic" },
  { name: "manual-policies", path: "/objects/policies" },
  { name: "branch-delete", path: "/branches/branch/delete" },
  { name: "branch-delete-dialog", path: "/branches/branch", prepare: (page) => page.getByRole("link", { name: "Delete" }).click() },
  { name: "objects-all", path: "/objects" },
  { name: "objects-rules", path: "/objects/rules" },
  { name: "objects-rules-idle", path: "/objects/rules?idle=90" },
  { name: "objects-lists", path: "/objects/lists" },
  { name: "objects-users", path: "/objects/users" },
  { name: "objects-schedules", path: "/objects/schedules" },
  { name: "object-edit-more", path: "/objects/rules/edit?name=no-entry", prepare: (page) => page.getByText("Users, branches, hardware").click() },
  { name: "object-new-schedule", path: "/objects/schedules/new" },
  { name: "object-edit", path: "/objects/rules/edit?name=no-entry" },
  { name: "object-wrong", path: "/objects/forwards/new", status: 422, prepare: async (page) => {
    await page.getByLabel("Name", { exact: true }).fill("Web");
    await page.getByLabel("Sources", { exact: true }).fill("nonsense");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("There is a problem").waitFor();
  } },
  { name: "object-in-use", path: "/objects/lists/delete?name=blocked", status: 409, prepare: async (page) => {
    await page.getByRole("button", { name: "Delete blocked" }).click();
    await page.getByText("is used by rule no-entry").waitFor();
  } },
  { name: "entries", path: "/objects/lists/entries?name=blocked" },
  { name: "list-new", path: "/objects/lists/new" },
  { name: "elsewhere", path: "/objects/lists/elsewhere?name=drop", prepare: (page) => page.getByText("Fresh").waitFor() },
  { name: "elsewhere-found", path: "/objects/lists/elsewhere?name=drop&q=198.18.1.0/28" },
  { name: "elsewhere-wrong", path: "/objects/lists/elsewhere?name=drop&q=nonsense", status: 422 },
  { name: "elsewhere-not-in-force", path: "/objects/lists/elsewhere?name=blocked", status: 404 },
  { name: "countries", path: "/firewall/countries" },
  { name: "countries-wrong", path: "/firewall/countries", status: 422, prepare: async (page) => {
    await page.getByLabel("File").setInputFiles({ name: "country.mmdb", mimeType: "application/octet-stream", buffer: Buffer.from("not one") });
    await page.getByRole("button", { name: "Use this file" }).click();
    await page.getByText("There is a problem").waitFor();
  } },
  { name: "log", path: "/firewall/log" },
  { name: "log-wrong", path: "/firewall/log?port=http", status: 422 },
  { name: "connections", path: "/firewall/connections" },
  { name: "connections-of-host", path: "/firewall/connections?host=10.1.0.1&order=age" },
  { name: "trace", path: "/firewall/trace" },
  { name: "trace-answered", path: "/firewall/trace?source=10.1.0.5&destination=198.51.100.80&protocol=tcp&port=443&from=lan" },
  { name: "trace-wrong", path: "/firewall/trace?destination=x&protocol=tcp", status: 422 },
  { name: "changes", path: "/changes" },
  { name: "history", path: "/history" },
  { name: "audit", path: "/audit" },
  { name: "revision", path: "/history/1" },
  { name: "password", path: "/password" },
  { name: "not-found", path: "/nothing-here", status: 404 },
];

for (const view of views) {
  for (const colorScheme of schemes) {
    test(`${view.name} looks right, ${colorScheme}`, async (t) => {
      const page = await open(browser, lab, { colorScheme, storageState: view.anonymous ? undefined : cookies });
      await page.goto(view.path);
      await view.prepare?.(page);
      for (const width of widths) {
        await t.test(`${width} wide`, async () => {
          await page.setViewportSize({ width, height: 900 });
          await page.screenshot({ path: `${shots}${view.name}-${colorScheme}-${width}.png`, fullPage: true });
          const found = await new AxeBuilder({ page }).withTags(tags).analyze();
          assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), []);
          const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.equal(sideways, 0, "the page scrolls sideways");
        });
      }
      // Chromium itself notes an answer of 4xx; the one we asked for is fine.
      assert.deepEqual(page.complaints.filter((c) => !(view.status && c.includes(`status of ${view.status}`))), []);
      await page.context().close();
    });
  }
}

test("forced colours keep every state readable", async () => {
  const page = await open(browser, lab, { forcedColors: "active", storageState: cookies });
  await page.goto("/");
  await page.screenshot({ path: `${shots}overview-forced-colours.png`, fullPage: true });
  await page.getByRole("row", { name: /branch/ }).getByText("Connected").waitFor();
  await page.context().close();
});

test("a session does not survive its log-out", async () => {
  const page = await open(browser, lab);
  await logIn(page, password);
  const stolen = await page.context().storageState();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL("**/login");
  const thief = await open(browser, lab, { storageState: stolen });
  await thief.goto("/branches");
  assert.equal(new URL(thief.url()).pathname, "/login");
});
