// Takes the README's picture: docs/overview.png.
import { fileURLToPath } from "node:url";
import { firstLogIn, open, startBrowser, startLab } from "./office.mjs";

const lab = await startLab();
const browser = await startBrowser();
try {
  const page = await open(browser, lab, { viewport: { width: 1280, height: 720 }, colorScheme: "light" });
  await firstLogIn(page, lab);
  await page.waitForTimeout(20_000); // some traffic to show
  await page.goto("/");
  await page.screenshot({ path: fileURLToPath(new URL("../../docs/overview.png", import.meta.url)) });
} finally {
  await browser.close();
  await lab.stop();
}
