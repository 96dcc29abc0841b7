// Writes consent strings with what the IAB's reference libraries decode from them, one JSON object a line.
//
//   node generate.cjs <folder with node_modules> > vectors.jsonl
//
// The strings are drawn from a seeded generator: the same on every machine.

const path = require("node:path");
const { createRequire } = require("node:module");
const from = createRequire(path.join(path.resolve(process.argv[2]), "package.json"));
const tcf = from("@iabtcf/core");
const gpp = from("@iabgpp/cmpapi");

// Mulberry32 (Ettinger, 2017, public domain).
let state = 20261124;
function next() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(next() * n);
const chance = (p) => next() < p;
const one = (of) => of[below(of.length)];
const numbers = (n, p) => Array.from({ length: n }, (_, i) => i + 1).filter(() => chance(p));
const flags = (n, p) => Array.from({ length: n }, () => chance(p));

// No vendors, a few far apart, many close together (a bitfield), long runs (ranges), everybody.
function vendors() {
  switch (below(6)) {
    case 0:
      return [];
    case 1:
      return sorted(Array.from({ length: 1 + below(6) }, () => 1 + below(65535)));
    case 2:
      return numbers(1 + below(120), 0.5);
    case 3: {
      const all = [];
      let at = 0;
      for (let run = 0; run < 1 + below(5); run++) {
        at += 2 + below(300);
        for (let length = 1 + below(400); length > 0; length--) all.push(at++);
      }
      return all;
    }
    case 4:
      return Array.from({ length: 900 }, (_, i) => i + 1);
    default:
      return numbers(1000, 0.1);
  }
}
const sorted = (all) => [...new Set(all)].sort((a, b) => a - b);
const day = () => new Date(Date.UTC(2019 + below(9), below(12), 1 + below(28)));
const letters = () => String.fromCharCode(65 + below(26), 65 + below(26));

function restrictions() {
  const all = [];
  for (const purpose of numbers(11, chance(0.5) ? 0 : 0.35))
    for (const type of [0, 1, 2].filter(() => chance(0.5))) {
      const ids = vendors().slice(0, 500);
      if (ids.length > 0) all.push({ purpose, type, ids });
    }
  return all;
}

const set = (vector) => sorted([...vector.values()]);

// A TC string of @iabtcf/core, segment by segment: its own encoder first strikes out what a vendor list forbids.
function tcString() {
  const model = new tcf.TCModel();
  model.created = day();
  model.lastUpdated = day();
  model.cmpId = 2 + below(4094);
  model.cmpVersion = below(4096);
  model.consentScreen = below(64);
  model.consentLanguage = letters();
  model.vendorListVersion = below(4096);
  model.policyVersion = 2 + below(4);
  model.isServiceSpecific = chance(0.8);
  model.useNonStandardStacks = chance(0.3);
  model.publisherCountryCode = letters();
  model.purposeOneTreatment = chance(0.3);
  model.specialFeatureOptins.set(numbers(12, 0.3));
  model.purposeConsents.set(numbers(24, 0.5));
  model.purposeLegitimateInterests.set(numbers(24, 0.4));
  model.vendorConsents.set(vendors());
  model.vendorLegitimateInterests.set(vendors());
  model.vendorsDisclosed.set(vendors());
  model.vendorsAllowed.set(vendors());
  model.publisherConsents.set(numbers(24, 0.5));
  model.publisherLegitimateInterests.set(numbers(24, 0.4));
  model.numCustomPurposes = one([0, 0, 1, 5, 63]);
  model.publisherCustomConsents.set(numbers(model.numCustomPurposes, 0.5));
  model.publisherCustomLegitimateInterests.set(numbers(model.numCustomPurposes, 0.5));
  for (const { purpose, type, ids } of restrictions())
    for (const id of ids) model.publisherRestrictions.add(id, new tcf.PurposeRestriction(purpose, type));
  // Ranges may run over ids that nobody has: every 7th is vacant.
  const known = Array.from({ length: 65535 }, (_, i) => i + 1).filter((id) => id % 7 !== 3);
  model.publisherRestrictions.gvl = { vendorIds: new Set(known) };
  const optional = ["vendorsDisclosed", "vendorsAllowed", "publisherTC"].filter(() => chance(0.5));
  if (chance(0.3)) optional.reverse();
  const segments = ["core", ...optional];
  const text = segments.map((segment) => tcf.SegmentEncoder.encode(model, segment)).join(".");

  const read = tcf.TCString.decode(text);
  const restricted = read.publisherRestrictions.getRestrictions().map((r) => ({
    key: r.purposeId,
    type: r.restrictionType,
    ids: sorted(read.publisherRestrictions.getVendors(r)),
  }));
  const has = (segment) => segments.includes(segment);
  return {
    kind: "tcf",
    string: text,
    expected: {
      Created: read.created,
      LastUpdated: read.lastUpdated,
      CmpId: read.cmpId,
      CmpVersion: read.cmpVersion,
      ConsentScreen: read.consentScreen,
      ConsentLanguage: read.consentLanguage,
      VendorListVersion: read.vendorListVersion,
      PolicyVersion: read.policyVersion,
      IsServiceSpecific: read.isServiceSpecific,
      UseNonStandardStacks: read.useNonStandardStacks,
      SpecialFeatureOptins: set(read.specialFeatureOptins),
      PurposeConsents: set(read.purposeConsents),
      PurposeLegitimateInterests: set(read.purposeLegitimateInterests),
      PurposeOneTreatment: read.purposeOneTreatment,
      PublisherCountryCode: read.publisherCountryCode,
      VendorConsents: set(read.vendorConsents),
      VendorLegitimateInterests: set(read.vendorLegitimateInterests),
      PublisherRestrictions: restricted,
      VendorsDisclosed: has("vendorsDisclosed") ? set(read.vendorsDisclosed) : null,
      VendorsAllowed: has("vendorsAllowed") ? set(read.vendorsAllowed) : null,
      Publisher: has("publisherTC")
        ? {
            PublisherConsents: set(read.publisherConsents),
            PublisherLegitimateInterests: set(read.publisherLegitimateInterests),
            NumCustomPurposes: read.numCustomPurposes,
            PublisherCustomConsents: set(read.publisherCustomConsents),
            PublisherCustomLegitimateInterests: set(read.publisherCustomLegitimateInterests),
          }
        : null,
    },
  };
}

const ranges = () => restrictions().map(({ purpose, type, ids }) => new gpp.RangeEntry(purpose, type, ids));

// Random values for the fields of a section, by what the library holds as their defaults.
const europe = () => ({
  CmpId: below(4096),
  CmpVersion: below(4096),
  ConsentScreen: below(64),
  ConsentLanguage: letters(),
  VendorListVersion: below(4096),
  PolicyVersion: 2 + below(4),
  IsServiceSpecific: true, // The library refuses to write anything else.
  UseNonStandardStacks: chance(0.3),
  SpecialFeatureOptins: flags(12, 0.3),
  PurposeConsents: flags(24, 0.5),
  PurposeLegitimateInterests: flags(24, 0.4),
  PurposeOneTreatment: chance(0.3),
  PublisherCountryCode: letters(),
  VendorConsents: vendors(),
  VendorLegitimateInterests: vendors(),
  PublisherRestrictions: ranges(),
  PublisherConsents: flags(24, 0.5),
  PublisherLegitimateInterests: flags(24, 0.4),
  VendorsDisclosed: vendors(),
  VendorsAllowed: vendors(),
  ...custom(["NumCustomPurposes", "PublisherCustomConsents", "PublisherCustomLegitimateInterests"]),
  Created: day(),
  LastUpdated: day(),
});
const canada = () => ({
  CmpId: below(4096),
  CmpVersion: below(4096),
  ConsentScreen: below(64),
  ConsentLanguage: letters(),
  VendorListVersion: below(4096),
  TcfPolicyVersion: below(64),
  UseNonStandardStacks: chance(0.3),
  SpecialFeatureExpressConsent: flags(12, 0.3),
  PurposesExpressConsent: flags(24, 0.5),
  PurposesImpliedConsent: flags(24, 0.4),
  VendorExpressConsent: vendors(),
  VendorImpliedConsent: vendors(),
  PubRestrictions: ranges(),
  PubPurposesExpressConsent: flags(24, 0.5),
  PubPurposesImpliedConsent: flags(24, 0.4),
  DisclosedVendors: vendors(),
  ...custom(["NumCustomPurposes", "CustomPurposesExpressConsent", "CustomPurposesImpliedConsent"]),
  Created: day(),
  LastUpdated: day(),
});
function custom([count, consents, others]) {
  const n = one([0, 1, 5, 63]);
  return { [count]: n, [consents]: flags(n, 0.5), [others]: flags(n, 0.5) };
}
const privacy = () => ({ Notice: one("YN-"), OptOutSale: one("YN-"), LspaCovered: one("YN-") });

function unitedStates(name) {
  const defaults = new gpp.GppModel();
  defaults.setFieldValue(name, "SaleOptOut", 0);
  const values = {};
  for (const [field, value] of Object.entries(defaults.toObject()[name])) {
    if (field === "Gpc") values.Gpc = chance(0.5);
    else if (Array.isArray(value)) values[field] = value.map(() => below(3));
    else if (field === "MspaCoveredTransaction") values[field] = 1 + below(2);
    else if (!/Version|SegmentType/.test(field)) values[field] = below(3);
  }
  if (name === "usnat" && chance(0.5)) values.Version = 1;
  // Whether the part after the core is written at all.
  if ("Gpc" in values) values.GpcSegmentIncluded = chance(0.6);
  if (["usin", "usky", "usri"].includes(name)) values.SensitiveDataConsentSegmentIncluded = chance(0.6);
  return values;
}

function gppString(names) {
  const model = new gpp.GppModel();
  for (const name of names) {
    const make = { tcfeuv2: europe, tcfcav1: canada, uspv1: privacy }[name] ?? (() => unitedStates(name));
    for (const [field, value] of Object.entries(make())) model.setFieldValue(name, field, value);
  }
  const text = model.encode();
  const read = new gpp.GppModel(text);
  const sections = read.toObject();
  // Segments that the string lacks stand in the object all the same, with their defaults: so tell which are there.
  const bodies = text.split("~").slice(1);
  Object.keys(sections).forEach((name, index) => {
    sections[name].segments = bodies[index].split(".").map((segment) => segment[0]);
  });
  return { kind: "gpp", string: text, expected: { ids: read.getSectionIds(), sections } };
}

const STATES =
  "usnat usca usva usco usut usct usfl usmt usor ustx usde usia usne usnh usnj ustn usmn usmd usin usky usri".split(" ");
const ALL = ["tcfeuv2", "tcfcav1", "uspv1", ...STATES];

const lines = [];
for (let i = 0; i < 300; i++) lines.push(tcString());
for (const name of ["tcfeuv2", "tcfcav1"]) for (let i = 0; i < 60; i++) lines.push(gppString([name]));
for (const name of ["uspv1", ...STATES]) for (let i = 0; i < 20; i++) lines.push(gppString([name]));
for (let i = 0; i < 120; i++) lines.push(gppString([...new Set([...ALL.filter(() => chance(0.25)), one(ALL)])]));
process.stdout.write(lines.map((line) => JSON.stringify(line) + "\n").join(""));
