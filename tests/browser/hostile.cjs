"use strict";
// Records in which every text is out to do harm, and the same records with harmless texts of the same kind in their place:
// the pages of both must be built alike.

const BREAK_OUT =
  `"'><script>window.harmed=1</script><img src=x onerror=window.harmed=1><svg onload=window.harmed=1>` +
  `</style></title></svg></table>--><base href=https://evil.example/><a href=javascript:window.harmed=1>x</a>` +
  `<iframe src=//evil.example></iframe>{{ 7 * 7 }}{% include "x" %}&lt;b&gt;\u202Etxet\u2066\u0000\u001B[31m ` +
  "W".repeat(300);

/** What is put around every text: harm, and its harmless counterpart. */
const WAYS = [
  { name: "text that breaks out", harm: (text) => text + BREAK_OUT, harmless: (text) => `${text} ${"Y".repeat(300)}` },
  { name: "text that is an address", harm: (text) => "javascript:window.harmed=1//" + text, harmless: (text) => "harmless, " + text },
];

/** By the schema: which values of a property are words of the format, which are dates, and whose keys are free text. */
function words(schema) {
  const literals = new Map();
  const dates = new Set();
  const maps = new Set();
  const structs = new Set();
  const at = (node) => (node.$ref ? schema.$defs[node.$ref.split("/").pop()] : node);
  const collect = (name, node, depth) => {
    if (!node || typeof node !== "object" || depth > 6) return;
    node = at(node);
    const values = [...(node.enum ?? []), ...(node.const === undefined ? [] : [node.const])];
    for (const value of values) literals.set(name, (literals.get(name) ?? new Set()).add(value));
    if (["date", "date-time"].includes(node.format)) dates.add(name);
    if (node.properties) structs.add(name);
    else if (node.additionalProperties && !node.propertyNames) maps.add(name);
    for (const inner of [...(node.anyOf ?? []), ...(node.oneOf ?? []), node.items]) collect(name, inner, depth + 1);
  };
  const walk = (node) => {
    if (!node || typeof node !== "object") return;
    for (const [name, inner] of Object.entries(node.properties ?? {})) collect(name, inner, 0);
    for (const inner of Object.values(node)) walk(inner);
  };
  walk(schema);
  for (const name of structs) maps.delete(name);
  return { literals, dates, maps };
}

/** The record with `way` applied to every text in it that the format leaves free, names in maps included. */
function everywhere(record, schema, way) {
  const { literals, dates, maps } = words(schema);
  let touched = 0;
  const go = (value, name) => {
    if (typeof value === "string") {
      // Records of other versions are refused.
      if (name === "schema_version" || dates.has(name) || literals.get(name)?.has(value)) return value;
      touched += 1;
      return way(value);
    }
    if (Array.isArray(value)) return value.map((item) => go(item, name));
    if (value && typeof value === "object") {
      const free = maps.has(name) && !["verdicts", "failures"].includes(name);
      const entries = Object.entries(value).map(([key, item]) => [free ? way(key) : key, go(item, key)]);
      return Object.fromEntries(entries);
    }
    return value;
  };
  return { record: go(record, ""), touched };
}

module.exports = { WAYS, everywhere };
