// A person with a browser: opens a page and speaks a recording into its microphone, once. Takes the folder of
// install.mjs, the page and the recording. Each line of input is a thing to do; it is answered by what the page shows.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const [folder, address, recording] = process.argv.slice(2);
const { chromium } = createRequire(resolve(folder, "package.json"))("playwright-core");

const browser = await chromium.launch({
  executablePath: join(folder, "chromium"),
  env: { ...process.env, LD_LIBRARY_PATH: join(folder, "al2023/lib"), FONTCONFIG_PATH: join(folder, "fonts") },
  // Root has no sandbox.
  args: [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-audio-capture=${recording}%noloop`,
  ],
});
const page = await browser.newPage();
page.on("pageerror", (error) => console.error(error));
await page.goto(address);

const SHOWN = ["final", "interim", "status", "toggle"];

/** Runs in the page. */
const texts = (ids) => Object.fromEntries(ids.map((id) => [id, document.getElementById(id).textContent.trim()]));
const includes = ([id, text]) => document.getElementById(id).textContent.includes(text);

for await (const line of createInterface({ input: process.stdin })) {
  const { click, wait } = JSON.parse(line);
  if (click) await page.click(click);
  // What does not come is for the test to tell.
  if (wait) await page.waitForFunction(includes, wait).catch(() => null);
  console.log(JSON.stringify(await page.evaluate(texts, SHOWN)));
}
await browser.close();
