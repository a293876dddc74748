// What an admin does, by keyboard alone and without JavaScript, down to the
// data plane.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { firstLogIn, logIn, open, password, shots, startBrowser, startLab } from "./office.mjs";

let lab, browser;

before(async () => {
  lab = await startLab();
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await lab?.stop();
});

// press moves the focus with Tab until it is where an accessible name says,
// as somebody without a mouse does.
async function reach(page, label) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      return e?.labels?.[0]?.textContent.trim() || e?.textContent.trim() || "";
    });
    if (at.startsWith(label)) return;
  }
  assert.fail(`Tab never reaches ${label}`);
}

async function type(page, label, text) {
  await reach(page, label);
  await page.keyboard.type(text);
}

test("a branch is added and applied by keyboard alone", async () => {
  const page = await open(browser, lab);
  await firstLogIn(page, lab);
  await reach(page, "Branches");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/branches");
  await reach(page, "Add a branch");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/branches/new");

  // First something is wrong: the summary takes the focus and leads to the field.
  await type(page, "Name", "leeds");
  await type(page, "Their address", "198.51.100.99");
  await type(page, "Their networks", "10.9.0.0/33");
  await type(page, "Shared key", "typed by keyboard alone");
  await reach(page, "Save");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.id === "errors");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "remote_networks");
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "leeds", "what was typed is kept");
  assert.equal(await page.getByLabel("Shared key", { exact: true }).inputValue(), "", "a key is never sent back");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("10.9.0.0/24");
  await type(page, "Shared key", "typed by keyboard alone");
  await reach(page, "Save");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/branches/leeds");
  await page.getByText("1 change not applied yet").waitFor();

  await reach(page, "Review");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/changes");
  await reach(page, "Apply");
  await page.keyboard.press("Enter");
  // The page itself confirms, by a new connection.
  await page.getByText("Everything that is saved is in force").waitFor();
  // The new tunnel is real: it calls an address where nobody answers.
  await page.goto("/branches/leeds");
  await page.getByText("Connecting").waitFor();
  // The other tunnel did not notice.
  await page.goto("/");
  await page.getByRole("row", { name: /^branch/ }).getByText("Connected").waitFor();
  assert.deepEqual(page.complaints.filter((c) => !c.includes("status of 422")), []);
  await page.context().close();
});

test("the dialog can be left with Escape and gives the focus back", async () => {
  const page = await open(browser, lab);
  await logIn(page, password);
  await page.goto("/branches/leeds");
  await reach(page, "Delete");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Delete leeds?" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Delete");
  await page.context().close();
});

test("everything works without JavaScript", async () => {
  const page = await open(browser, lab, { javaScriptEnabled: false });
  await logIn(page, password);
  await page.goto("/branches/leeds/edit");
  await page.getByLabel("Their address").fill("198.51.100.98");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("1 change not applied yet").waitFor();
  await page.goto("/branches/leeds");
  await page.getByRole("link", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete leeds" }).click();
  await page.waitForURL("**/branches");
  await page.getByRole("link", { name: "Review" }).click();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByText("on trial until").waitFor(); // the page reloads itself meanwhile
  // The browser's connection may be from before the change, which proves
  // nothing: then the page says so.
  for (let i = 0; i < 3 && await page.getByRole("button", { name: "Keep" }).count() > 0; i++) {
    await page.getByRole("button", { name: "Keep" }).click();
    await page.waitForLoadState();
  }
  await page.getByText("Everything that is saved is in force").waitFor();
  await page.goto("/branches");
  assert.equal(await page.getByRole("row", { name: /leeds/ }).count(), 0);
  await page.context().close();
});

test("rules are moved without JavaScript, and by the keyboard", async () => {
  const order = async (page) => (await page.locator("tbody th[scope=row]").allTextContents()).map((s) => s.trim());
  for (const javaScriptEnabled of [false, true]) {
    const page = await open(browser, lab, { javaScriptEnabled });
    await logIn(page, password);
    for (const name of ["first", "second"]) {
      await page.goto("/objects/rules/new");
      await page.getByLabel("Name").fill(name);
      await page.getByLabel("From").selectOption("wan");
      await page.getByLabel("To", { exact: true }).selectOption("lan");
      await page.getByLabel("Action").selectOption("drop");
      await page.getByRole("button", { name: "Save" }).click();
      await page.waitForURL("**/objects/rules");
    }
    const up = page.getByRole("button", { name: "Up second" });
    if (javaScriptEnabled) {
      await reach(page, "Up second");
      await page.keyboard.press("Enter");
    } else {
      await up.click();
    }
    await page.waitForURL("**/objects/rules#row-second");
    await page.getByText("Rule second is moved").waitFor();
    assert.deepEqual((await order(page)).slice(-2), ["second", "first"]);
    if (javaScriptEnabled) {
      // The row has the focus: the next stop is the rule itself.
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), "second");
    }
    await page.goto("/changes");
    await page.getByRole("button", { name: "Discard" }).click();
    await page.getByText("The changes were discarded").waitFor();
    await page.context().close();
  }
});

test("the status on the page lives without a reload", async () => {
  const page = await open(browser, lab);
  await logIn(page, password);
  await page.goto("/branches/branch");
  const received = () => page.locator("dt:text-is('Received') + dd").textContent();
  await page.evaluate(() => { window.sameDocument = true; });
  const first = await received();
  await page.waitForFunction((t) => document.querySelector("#live dl").textContent.includes("Received")
    && [...document.querySelectorAll("dt")].find((d) => d.textContent === "Received").nextElementSibling.textContent !== t, first, { timeout: 20_000 });
  assert.equal(await page.evaluate(() => window.sameDocument), true);
  await page.context().close();
});

test("a change is taken back when the browser loses the gateway", async () => {
  const page = await open(browser, lab);
  await logIn(page, password);
  await page.goto("/branches/branch/edit");
  await page.getByLabel("Note").fill("this shall not stay");
  await page.getByRole("button", { name: "Save" }).click();
  await page.goto("/changes");
  await page.getByLabel("On trial for").selectOption("30");
  // Only the heartbeat is lost: what a broken rule or address would do.
  await page.route("**/changes/heartbeat", (route) => route.abort());
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByText("Everything goes back in").waitFor();
  await page.screenshot({ path: shots + "trial.png", fullPage: true });
  await page.waitForTimeout(31_000);
  await page.unroute("**/changes/heartbeat");
  await page.getByText("The last changes did not stay").waitFor();
  await page.getByText("nobody confirmed it in time").waitFor();
  await page.screenshot({ path: shots + "trial-over.png", fullPage: true });
  await page.getByRole("button", { name: "Discard" }).click();
  await page.getByText("The changes were discarded").waitFor();
  await page.context().close();
});

test("a cross-site form changes nothing", async () => {
  const page = await open(browser, lab);
  await logIn(page, password);
  // Another origin, the browser's own cookies, a form that posts to the gateway.
  await page.route("https://evil.example/", (route) => route.fulfill({
    contentType: "text/html",
    body: `<form method="post" action="${lab.base}/branches/branch/delete"><button>win</button></form>`,
  }));
  await page.goto("https://evil.example/");
  await page.getByRole("button", { name: "win" }).click();
  await page.waitForLoadState();
  await page.goto(lab.base + "/branches");
  await page.getByRole("row", { name: /^branch/ }).waitFor();
  assert.equal(await page.getByText("not applied yet").count(), 0);
  await page.context().close();
});
