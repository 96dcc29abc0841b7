"use strict";
// The reports that are opened, each made by the program from evidence: see `make`.
const { execFileSync, spawnSync } = require("child_process");
const fs = require("fs");
const path = require("path");

const fixtures = path.join(__dirname, "../../fixtures");

/** Makes the reports under `work`; gives their names and folders. */
function make(probity, work) {
  const audit = (manifest, out, ...more) => {
    const run = spawnSync(probity, ["audit", "--quiet", manifest, "--out", out, ...more], { encoding: "utf8" });
    // 0 passed, 1 failed, 3 nothing evaluated: all of them are a report.
    if (![0, 1, 3].includes(run.status)) throw new Error(`audit of ${manifest}: ${run.stderr}`);
    return out;
  };
  const call = (...args) => execFileSync(probity, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const shop = (name) => {
    const folder = path.join(work, name);
    fs.cpSync(path.join(fixtures, "storefront"), folder, { recursive: true });
    return folder;
  };
  const change = (file, ...changes) => {
    let text = fs.readFileSync(file, "utf8");
    for (const [from, to] of changes) {
      const changed = text.replace(from, to);
      if (changed === text) throw new Error(`${file}: nothing matches ${from}`);
      text = changed;
    }
    fs.writeFileSync(file, text);
  };

  const reports = {};
  reports.storefront = audit(path.join(fixtures, "storefront/audit.yaml"), path.join(work, "r-storefront"));
  reports["open-bandit"] = audit(path.join(fixtures, "open-bandit/audit.yaml"), path.join(work, "r-open-bandit"));

  const declared = shop("declared");
  change(
    path.join(declared, "audit.yaml"),
    [/^ {2}recommendations:\n(?: {4}.*\n)+/m, ""],
    // A candidate and loyalty are measured on a log.
    [/^candidate:\n(?: {2}.*\n)+/m, ""],
    [/^ {2}candidate:\n(?: {4}.*\n)+/m, ""],
    [/^ {2}outcomes:\n(?: {4}.*\n)+/m, ""],
    [/^ {2}loyalty:\n(?: {4}.*\n)+/m, ""],
  );
  reports["without a log"] = audit(path.join(declared, "audit.yaml"), path.join(work, "r-declared"));

  const small = shop("small");
  change(path.join(small, "audit.yaml"), [/min_cell: 30/, "min_cell: 1000000"]);
  reports.withheld = audit(path.join(small, "audit.yaml"), path.join(work, "r-small"));

  // An audit on the memory of an earlier one: a baseline, a ledger, sign-offs, and evidence that has changed since.
  const again = shop("again");
  const manifest = path.join(again, "audit.yaml");
  const first = audit(manifest, path.join(work, "r-first"));
  const record = path.join(first, "audit.json");
  const ledger = path.join(again, "history.jsonl");
  call("baseline", "write", record, "--out", path.join(again, "baseline.json"));
  call("history", "append", record, "--ledger", ledger);
  call("decide", record, "reject", "--ledger", ledger, "--role", "data protection", "--name", "Ada Example", "--reason", "The join is to be mended first.");
  change(manifest, [/^gate:$/m, "ledger: history.jsonl\ngate:\n  baseline: baseline.json"]);
  const consent = path.join(again, "consent.csv");
  const [head, ...rows] = fs.readFileSync(consent, "utf8").split("\n");
  fs.writeFileSync(consent, [head, ...rows.filter((_, n) => n % 4 > 0)].join("\n"));
  reports.again = audit(manifest, path.join(work, "r-again"));
  return reports;
}

module.exports = { make };
