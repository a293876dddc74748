// The lab as this host sees it: the page of hq, and the one-time password.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const shots = root + "build/screenshots/";
export const password = "correct horse battery staple";

// startLab gives { base, oneTime, stop } once the tunnel is up.
export async function startLab() {
  const lab = spawn(root + "build/lab", ["run", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const ended = new Promise((resolve) => lab.on("close", resolve));
  const ready = new Promise((resolve, reject) => {
    const read = (chunk) => {
      output += chunk;
      const page = output.match(/page +(https:\S+)/);
      const secret = output.match(/password +(\S+)/);
      if (page && secret) resolve({ base: page[1].replace(/\/$/, ""), oneTime: secret[1] });
    };
    lab.stdout.on("data", read);
    lab.stderr.on("data", read);
    ended.then(() => reject(new Error("the lab ended:\n" + output)));
  });
  const stop = async () => {
    lab.kill("SIGINT");
    await ended;
  };
  return { ...(await ready), stop };
}

export async function startBrowser() {
  mkdirSync(shots, { recursive: true });
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
}

// open makes a window whose console and policy errors are kept in
// page.complaints.
export async function open(browser, lab, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: lab.base, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (m) => {
    if (m.type() === "error" || m.type() === "warning") page.complaints.push(m.text());
  });
  page.on("pageerror", (e) => page.complaints.push(String(e)));
  return page;
}

export async function logIn(page, secret) {
  await page.goto("/login");
  await page.getByLabel("Name").fill("admin");
  await page.getByLabel("Password").fill(secret);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL((url) => url.pathname !== "/login");
}

// firstLogIn uses the one-time password up and sets a lasting one.
export async function firstLogIn(page, lab) {
  await logIn(page, lab.oneTime);
  await page.getByLabel("New password").fill(password);
  await page.getByLabel("The same again").fill(password);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.waitForURL("**/");
}
