// node look.mjs MODULES CHROMIUM: reads visits as JSON from standard input, makes each in Chromium, and prints for each
// what was found. MODULES is the folder with node_modules.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";

const [modules, executablePath] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const visits = JSON.parse(await text(process.stdin));
// Chromium's own sandbox needs another user than root.
const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await chromium.launch({ executablePath, args });
const found = [];
for (const visit of visits) found.push(await make(visit));
await browser.close();
process.stdout.write(JSON.stringify(found));

async function make(visit) {
  const context = await browser.newContext({
    viewport: { width: visit.width ?? 1280, height: 900 },
    colorScheme: visit.scheme ?? "light",
    javaScriptEnabled: visit.script ?? true,
  });
  const page = await context.newPage();
  const errors = [];
  const requests = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(visit.url);
  const focus = [];
  for (const key of visit.keys ?? []) {
    if (key.startsWith("type:")) await page.keyboard.type(key.slice(5));
    else if (key.startsWith("wait:")) await page.waitForSelector(key.slice(5));
    else if (key === "follow") await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
    else await page.keyboard.press(key);
    focus.push(await page.evaluate(() => {
      const here = document.activeElement;
      return [here.tagName, here.id, here.textContent.trim().slice(0, 60), getComputedStyle(here).outlineStyle];
    }));
  }
  for (const [selector, label] of Object.entries(visit.select ?? {})) await page.selectOption(selector, { label });
  const texts = {};
  for (const selector of visit.read ?? []) texts[selector] = (await page.locator(selector).allInnerTexts()).join("\n");
  const result = { url: page.url(), title: await page.title(), errors, requests, focus, texts };
  result.width = await page.evaluate(() => document.documentElement.scrollWidth);
  result.background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  result.visible = await page.evaluate(() => document.getElementById("search")?.checkVisibility());
  if (visit.picture) {
    result.picture = (await page.screenshot({ path: visit.picture })).toString("base64");
    if (visit.reference) result.difference = await difference(result.picture, visit.reference);
    delete result.picture;
  }
  if (visit.axe) {
    await page.evaluate(axe);
    const judged = await page.evaluate(() => globalThis.axe.run({ preload: false }));
    result.passes = judged.passes.length;
    result.violations = judged.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`);
  }
  await context.close();
  return result;
}

// The mean difference of two pictures in grey, from 0 to 1, each brought to the same small size: fonts of another machine
// make little of it, and a page without its style much.
async function difference(one, file) {
  const page = await browser.newPage();
  const other = readFileSync(file).toString("base64");
  const mean = await page.evaluate(async (pictures) => {
    const grey = async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const canvas = new OffscreenCanvas(64, 64);
      const drawing = canvas.getContext("2d");
      drawing.imageSmoothingQuality = "high";
      drawing.drawImage(bitmap, 0, 0, 64, 64);
      const { data } = drawing.getImageData(0, 0, 64, 64);
      return Array.from({ length: 4096 }, (_, at) => (data[4 * at] + data[4 * at + 1] + data[4 * at + 2]) / 765);
    };
    const [first, second] = [await grey(pictures[0]), await grey(pictures[1])];
    return first.reduce((sum, value, at) => sum + Math.abs(value - second[at]), 0) / first.length;
  }, [one, other]);
  await page.close();
  return mean;
}
