"""Writes the log of the race: impressions, people, items and records of consent, and the manifests that audit them.

Every number comes from a hash of a row's number and the seed, so that the same options give the same log.
"""

import argparse
import pathlib

import duckdb

DAYS = 90
PLACES = 10
ITEMS = 5_000

DATA_MAP = """\
dataset:
  - fides_key: web
    meta: {context: web}
    collections:
      - name: events
        fields: [{name: views, data_categories: [user.behavior.browsing_history]}]
  - fides_key: store
    meta: {context: store}
    collections:
      - name: receipts
        fields: [{name: articles, data_categories: [user.behavior.purchase_history]}]
  - fides_key: catalogue
    collections:
      - name: items
        fields: [{name: provider, data_categories: [system.operations]}]
"""

POLICY = """\
version: race-1
default_regime: opt_in
purposes:
  - purpose: personalize.content.profiling
    categories: [{category: user.behavior, basis: consent}]
combinations:
  default: consent
"""

MANIFEST = """\
probity: 1
system: {{name: Race, owner: race@example.org, jurisdiction: DE}}
purposes:
  - {{id: personalize.content.profiling, benefit: People find what suits them., legal_basis: consent}}
  - {{id: functional.service, benefit: People see what there is., legal_basis: contract}}
strategies:
  - {{id: hybrid, purpose: personalize.content.profiling, profiling: true, inputs: [web.events.views, store.receipts.articles]}}
  - {{id: web, purpose: personalize.content.profiling, profiling: true, inputs: [web.events.views]}}
  - {{id: popular, purpose: functional.service, profiling: false, inputs: [catalogue.items.provider]}}
evidence:
  data_map: [data-map.yaml]
  consent_policy: policy.yaml
  consent_records: {{path: consent.parquet}}
  recommendations: {{path: {log}}}
  subjects: {{path: subjects.parquet}}
  items: {{path: items.parquet}}
measure:
  segments: [{{attribute: age_band}}, {{attribute: gender}}, {{attribute: region}}]
  item_groups: [{{attribute: provider, target: catalogue}}]
  metrics: [click, conversion, revenue]
  conditional: {conditional}
"""


def queries(args):
    """The tables, by file. `u(a, k)` is a number in [0, 1) of row `a`, another for every `k`."""
    decisions = args.rows // PLACES
    step = DAYS * 86_400_000_000 // max(decisions, 1)
    impressions = f"""
        SELECT 'r' || lpad(d::VARCHAR, 9, '0') AS request_id,
            make_timestamptz(1767225600000000 + d * {step} + (u(d, 1) * {step})::BIGINT) AS timestamp,
            'p' || lpad(person::VARCHAR, 8, '0') AS subject_id, 'i' || lpad(item::VARCHAR, 5, '0') AS item_id,
            (i % {PLACES} + 1)::INTEGER AS position, strategy, clicked::INTEGER AS clicked,
            converted::INTEGER AS converted, CASE WHEN converted THEN 5 + item % 95 ELSE 0 END::DOUBLE AS revenue
        FROM (SELECT *, clicked AND u(i, 7) < 0.15 AS converted FROM
            (SELECT *, u(i, 6) < 0.10 / sqrt(i % {PLACES} + 1)
                    * CASE WHEN strategy = 'hybrid' AND age(person) = 5 THEN 0.7 ELSE 1 END AS clicked FROM
                (SELECT i, d, (u(d, 2) * {args.subjects})::BIGINT % {args.subjects} AS person,
                    (u(i, 3) * u(i, 4) * {ITEMS})::BIGINT % {ITEMS} AS item,
                    CASE WHEN u(d, 5) < 0.5 THEN 'hybrid' WHEN u(d, 5) < 0.8 THEN 'web' ELSE 'popular' END AS strategy
                 FROM (SELECT range AS i, range // {PLACES} AS d FROM range({{rows}})))))
        ORDER BY i"""
    consent = f"""
        SELECT 'p' || lpad(person::VARCHAR, 8, '0') AS subject_id,
            make_timestamptz(1761955200000000 + i + (u(i, 22) * 150 * 86400000000)::BIGINT) AS timestamp,
            CASE WHEN u(i, 23) < 0.8 THEN 'given' WHEN u(i, 23) < 0.9 THEN 'refused' ELSE 'withdrawn' END AS status,
            'personalize.content.profiling' AS purpose,
            CASE WHEN u(i, 24) < 0.4 THEN ['web'] WHEN u(i, 24) < 0.6 THEN ['store'] ELSE ['store', 'web'] END AS contexts
        FROM (SELECT range AS i, (u(range, 21) * {args.subjects})::BIGINT % {args.subjects} AS person
              FROM range({args.consent}))
        ORDER BY i"""
    subjects = f"""
        SELECT 'p' || lpad(range::VARCHAR, 8, '0') AS subject_id,
            ['18-24', '25-34', '35-44', '45-54', '55-64', '65+'][age(range) + 1] AS age_band,
            CASE WHEN u(range, 31) < 0.5 THEN 'female' WHEN u(range, 31) < 0.98 THEN 'male' ELSE 'other' END AS gender,
            'region ' || (u(range, 32) * 16)::INTEGER % 16 AS region
        FROM range({args.subjects}) ORDER BY range"""
    items = f"""
        SELECT 'i' || lpad(range::VARCHAR, 5, '0') AS item_id,
            'provider ' || (u(range, 41) * 12)::INTEGER % 12 AS provider
        FROM range({ITEMS}) ORDER BY range"""
    tables = {
        "impressions.parquet": impressions.format(rows=args.rows),
        "consent.parquet": consent,
        "subjects.parquet": subjects,
        "items.parquet": items,
    }
    if args.csv_rows:
        tables["impressions.csv"] = impressions.format(rows=args.csv_rows)
    return tables


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--subjects", type=int, required=True)
    parser.add_argument("--consent", type=int, required=True)
    parser.add_argument("--csv-rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.execute(f"CREATE MACRO u(a, k) AS (hash(a::BIGINT * 64 + k + {args.seed} * 1000003) >> 11) / 9007199254740992.0")
    db.execute("CREATE MACRO age(person) AS (u(person, 11) * 6)::INTEGER % 6")
    for name, query in queries(args).items():
        options = "FORMAT csv" if name.endswith("csv") else "FORMAT parquet, COMPRESSION snappy"
        db.execute(f"COPY ({query}) TO '{args.folder / name}' ({options})")
    (args.folder / "data-map.yaml").write_text(DATA_MAP)
    (args.folder / "policy.yaml").write_text(POLICY)
    for name, log, conditional in [
        ("audit.yaml", "impressions.parquet", "false"),
        ("audit-csv.yaml", "impressions.csv", "false"),
        ("audit-all.yaml", "impressions.parquet", "true"),
    ]:
        (args.folder / name).write_text(MANIFEST.format(log=log, conditional=conditional))


if __name__ == "__main__":
    main()
