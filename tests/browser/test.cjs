"use strict";
// Opens the reports in a browser and says what a reader would stumble over. Arguments: the program, a folder to work in,
// the folder of the npm packages.
const { execFileSync } = require("child_process");
const fs = require("fs");
const path = require("path");
const { pathToFileURL } = require("url");
const puppeteer = require("puppeteer-core");
const { make } = require("./reports.cjs");
const { WAYS, everywhere } = require("./hostile.cjs");

const [probity, work, cache] = process.argv.slice(2);
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const STEPS = 7;
/** What somebody would still print, in pages of A4. */
const PAGES = { storefront: [20, 92], "open-bandit": [8, 32] };

const failures = [];
let subject = "";
function check(holds, message) {
  if (!holds) failures.push(`${subject}: ${message}`);
  return holds;
}

/** Opens a file; `seen` collects whatever it asks of the network, and every error that the browser tells. */
async function open(browser, file, { width, scheme } = {}) {
  const page = await browser.newPage();
  page.setDefaultTimeout(300_000);
  const seen = { requests: [], errors: [] };
  const address = pathToFileURL(file).href;
  const client = await page.createCDPSession();
  await client.send("Network.enable");
  await client.send("Log.enable");
  client.on("Network.requestWillBeSent", (event) => {
    if (event.request.url !== address) seen.requests.push(event.request.url);
  });
  client.on("Log.entryAdded", ({ entry }) => seen.errors.push(`${entry.source}: ${entry.text}`));
  page.on("console", (message) => seen.errors.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => seen.errors.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => (seen.errors.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  await page.setViewport({ width: width ?? 1280, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme ?? "light" }]);
  await page.goto(address, { waitUntil: "load" });
  return { page, seen };
}

const unfold = (page) => page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));

/** What axe calls a violation, each with a few of the elements. */
async function barriers(page) {
  // Evaluated by the driver, beside the page: the page's own policy stays on.
  await page.evaluate(axe);
  const found = await page.evaluate((tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), RULES);
  return found.violations.map((of) => {
    const some = of.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} (${node.failureSummary.replace(/\s+/g, " ").slice(0, 160)})`);
    return `${of.id} at ${of.nodes.length}: ${some.join("; ")}`;
  });
}

/** How many pixels the page is wider than the window, and what sticks out. */
const overflow = (page) =>
  page.evaluate(() => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide <= 0) return [0];
    const scrolls = (of) => getComputedStyle(of).overflowX !== "visible";
    const held = (of) => of.parentElement && (scrolls(of.parentElement) || held(of.parentElement));
    const out = [...document.querySelectorAll("body *")].filter((of) => of.getBoundingClientRect().right > innerWidth + 1 && !held(of));
    const name = (of) => `${of.localName}.${of.className.baseVal ?? of.className} in ${of.closest("[id]")?.id}`;
    return [wide, ...out.slice(0, 3).map(name)];
  });

async function quiet(seen) {
  check(seen.requests.length === 0, `it asked for ${seen.requests.slice(0, 5)}`);
  check(seen.errors.length === 0, `the browser told of ${seen.errors.slice(0, 5).join(" | ")}`);
}

/** Nothing is loaded, nothing is wrong, nothing stands in the way, and nothing is cut off: light and dark, desk and phone. */
async function look(browser, file, whole) {
  const all = [["light", 1280], ["dark", 360], ["light", 360], ["dark", 1280]];
  for (const [scheme, width] of whole ? all : all.slice(0, 2)) {
    const { page, seen } = await open(browser, file, { width, scheme });
    await unfold(page);
    for (const barrier of await barriers(page)) check(false, `${scheme}, ${width} px: ${barrier}`);
    for (const narrow of width === 360 ? [360, 320] : [width]) {
      await page.setViewport({ width: narrow, height: 900 });
      const [wide, ...what] = await overflow(page);
      check(wide <= 0, `${narrow} px: the page is ${wide} px wider than the window (${what.join(", ")})`);
    }
    await quiet(seen);
    await page.close();
  }
}

/** Whether the focus can be seen where it is. */
const focused = (page) =>
  page.evaluate(() => {
    const at = document.activeElement;
    const style = getComputedStyle(at);
    const box = at.getBoundingClientRect();
    const inside = box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
    const drawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return { name: `${at.tagName} ${at.textContent.trim().slice(0, 40)}`, id: at.id, seen: at !== document.body && inside && drawn };
  });

/** The whole page by keyboard: the skip link, the first stops, and every fold. */
async function keys(browser, file) {
  const { page } = await open(browser, file);
  await page.keyboard.press("Tab");
  const skip = await focused(page);
  check(skip.name.startsWith("A Skip") && skip.seen, `the first stop is ${skip.name}, and not a skip link that is seen`);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.id === "conclusion", { timeout: 5_000 }).catch(() => check(false, "the skip link does not lead to the conclusion"));
  const stops = new Set();
  for (let stop = 0; stop < 30; stop += 1) {
    await page.keyboard.press("Tab");
    const at = await focused(page);
    if (at.name.startsWith("BODY")) break; // The end of a short page.
    check(at.seen, `the focus on "${at.name}" cannot be seen`);
    stops.add(at.name);
  }
  check(stops.size > 3, `only ${stops.size} stops by Tab`);
  const folds = await page.$$("details > summary");
  check(folds.length > 0, "there are no folds to open");
  for (const fold of folds) {
    // Folds within folds come after them: the outer one is open by now.
    await fold.evaluate((of) => of.focus());
    const was = await fold.evaluate((of) => of.parentElement.open);
    const at = await focused(page);
    check(at.seen, `the focus on the fold "${at.name}" cannot be seen`);
    await page.keyboard.press("Enter");
    const is = await fold.evaluate((of) => of.parentElement.open);
    check(is !== was, `Enter does not open the fold "${at.name}"`);
    if (!is) await page.keyboard.press("Enter");
  }
  await page.close();
}

/** The text of each printed page. */
async function printed(page) {
  const bytes = await page.pdf({ preferCSSPageSize: true, printBackground: true, timeout: 300_000 });
  const { getDocument } = await import(pathToFileURL(path.join(cache, "node_modules/pdfjs-dist/legacy/build/pdf.mjs")).href);
  const pdf = await getDocument({ data: new Uint8Array(bytes), verbosity: 0 }).promise;
  const pages = [];
  for (let number = 1; number <= pdf.numPages; number += 1) {
    const { items } = await (await pdf.getPage(number)).getTextContent();
    pages.push(items.map((item) => item.str).join(" ").replace(/\s+/g, " "));
  }
  return pages;
}

/** On paper: all chapters, so many pages, heads of tables on each page they reach, rows whole, folds told. */
async function paper(browser, file, bound) {
  const { page } = await open(browser, file);
  const headings = await page.$$eval("h2", (all) => all.map((of) => of.textContent.replace(/\s+/g, " ").trim()));
  const rules = await page.$$eval("table.rules", (all) => all.length);
  const pages = await printed(page);
  const text = pages.join(" ");
  for (const heading of headings) check(text.includes(heading), `"${heading}" is not on paper`);
  check(headings.length >= STEPS + 5, `only ${headings.length} headings`);
  if (bound) check(pages.length >= bound[0] && pages.length <= bound[1], `${pages.length} pages on paper, expected ${bound.join(" to ")}`);
  pages.forEach((of, number) => check(of.includes(`${number + 1} / ${pages.length}`), `page ${number + 1} bears no number`));
  // The longest table of rules runs over a page: its head stands on more pages than there are such tables.
  const heads = pages.map((of) => of.split("Facts judged").length - 1).reduce((a, b) => a + b, 0);
  if (bound) check(heads > rules, `heads of tables are not repeated: ${heads} for ${rules} tables`);
  const folded = await page.$$eval("details:not(.always, [open])", (all) => all.filter((of) => !of.parentElement.closest("details:not(.always, [open])")).length);
  const told = text.split("(left out in print)").length - 1;
  check(told === folded, `${folded} folds are left out in print, and ${told} say so`);
  // No row is cut: each asks not to be, and fits on a page (180 mm by 261 mm at 96 px to the inch).
  await page.emulateMediaType("print");
  await page.setViewport({ width: 680, height: 986 });
  const rows = await page.$$eval("tr", (all) => all.map((of) => [of.getBoundingClientRect().height, getComputedStyle(of).breakInside]));
  check(rows.every(([height]) => height < 986), `a row is ${Math.max(...rows.map(([height]) => height))} px high: higher than a page`);
  check(rows.every(([, breaks]) => breaks === "avoid"), "a row may be cut by the end of a page");
  await page.close();
  return pages.length;
}

/** Elements by tag, and all that could lead away or run. */
const built = (page) =>
  page.evaluate(() => {
    const tags = {};
    // Where a line may break within a name depends on the name.
    for (const of of document.querySelectorAll("*")) if (of.localName !== "wbr") tags[of.localName] = (tags[of.localName] ?? 0) + 1;
    const links = [...document.querySelectorAll("[href]")].map((of) => of.getAttribute("href")).filter((href) => !href.startsWith("#"));
    const handlers = [...document.querySelectorAll("*")].flatMap((of) => [...of.attributes].map((at) => at.name)).filter((name) => name.startsWith("on"));
    return { tags, links, handlers, harmed: "harmed" in window };
  });

/** Every text of a record made hostile stays text. */
async function hostile(browser, record) {
  const whole = JSON.parse(fs.readFileSync(path.join(record, "audit.json"), "utf8"));
  const schema = JSON.parse(execFileSync(probity, ["schema", "record"], { encoding: "utf8", maxBuffer: 1 << 28 }));
  for (const way of WAYS) {
    subject = way.name;
    const pages = {};
    for (const kind of ["harmless", "harm"]) {
      const folder = path.join(work, `hostile-${kind}`);
      const made = everywhere(whole, schema, way[kind]);
      check(made.touched > 5000, `only ${made.touched} texts were made hostile`);
      fs.mkdirSync(folder, { recursive: true });
      const file = path.join(folder, "audit.json");
      fs.writeFileSync(file, JSON.stringify(made.record));
      execFileSync(probity, ["report", file, "--format", "html", "--out", folder], { stdio: "pipe" });
      const { page, seen } = await open(browser, path.join(folder, "report.html"), { width: 360 });
      await unfold(page);
      pages[kind] = await built(page);
      await quiet(seen);
      const [wide, ...what] = await overflow(page);
      check(wide <= 0, `${kind}: the page is ${wide} px wider than the window (${what.join(", ")})`);
      const shown = await page.evaluate(() => document.body.textContent.includes("<script>window.harmed=1</script>"));
      check(shown === (kind === "harm" && way === WAYS[0]), `${kind}: the text is ${shown ? "" : "not "}shown`);
      await page.close();
    }
    const { harm, harmless } = pages;
    check(!harm.harmed && harm.handlers.length === 0, `a script ran, or could: ${harm.handlers.slice(0, 5)}`);
    for (const tag of new Set([...Object.keys(harm.tags), ...Object.keys(harmless.tags)]))
      check(harm.tags[tag] === harmless.tags[tag], `${harm.tags[tag]} elements <${tag}>, and ${harmless.tags[tag]} with harmless text`);
    check(harm.links.every((href) => href.startsWith("https://")), `a link to ${harm.links.find((href) => !href.startsWith("https://"))}`);
    check(harm.links.length === harmless.links.length, `${harm.links.length} links lead away, and ${harmless.links.length} with harmless text`);
  }
}

/** These tests find what they look for: a page with every fault. */
async function canary(browser) {
  const file = path.join(work, "canary.html");
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'">`;
  fs.writeFileSync(file, `<!doctype html><html><head>${policy}<title>x</title></head><body><script>window.harmed=1</script><img src="https://evil.example/x.png"><pre style="width:900px">wide</pre><table><tr><td>a</td></tr></table></body></html>`);
  const { page, seen } = await open(browser, file, { width: 360 });
  const found = await barriers(page);
  check(seen.errors.some((error) => error.includes("Content Security Policy")), "a page against its own policy is not noticed");
  check(["html-has-lang", "image-alt"].every((id) => found.some((of) => of.startsWith(id))), `barriers are not noticed: ${found}`);
  await page.close();
  const open_ = path.join(work, "open.html");
  fs.writeFileSync(open_, `<!doctype html><html lang="en"><title>x</title><body onload="window.harmed=1"><img alt="" src="missing.png"><p style="width:900px">wide</p></body></html>`);
  const other = await open(browser, open_, { width: 360 });
  check(other.seen.requests.length === 1, "a request is not noticed");
  check((await overflow(other.page))[0] > 0, "a page that is too wide is not noticed");
  const is = await built(other.page);
  check(is.harmed && is.handlers.length === 1, "a script is not noticed");
  await other.page.close();
}

async function main() {
  const reports = make(probity, work);
  const flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM,
    headless: true,
    userDataDir: fs.mkdtempSync(path.join(work, "profile-")),
    args: flags,
    protocolTimeout: 600_000,
  });
  try {
    subject = "a page with every fault";
    await canary(browser);
    const only = process.env.ONLY;
    for (const [name, folder] of Object.entries(reports).filter(([name]) => !only || only === name)) {
      const file = path.join(folder, "report.html");
      subject = name;
      await look(browser, file, name === "storefront");
      await keys(browser, file);
      const pages = await paper(browser, file, PAGES[name]);
      console.log(`browser: ${name}: looked at, walked through by keyboard, printed on ${pages} pages`);
    }
    if (!only || only === "hostile") await hostile(browser, reports.again);
  } finally {
    await browser.close();
  }
  for (const failure of failures) console.error(`browser: ${failure}`);
  if (failures.length > 0) process.exit(1);
  console.log(`browser: ${await browser.version().catch(() => "Chromium")}: all is well`);
}

main().catch((error) => {
  for (const failure of failures) console.error(`browser: ${failure}`);
  console.error(`browser: ${subject}: ${error.stack ?? error}`);
  process.exit(1);
});
