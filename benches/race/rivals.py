"""What the audit is raced against, each run in a process of its own. Prints its figures as JSON.

scan       every column of the log and of the consent records is read, and nothing made of it
duckdb     joins, consent, outcome parity on three attributes, exposure: the figures behind those facts, by hand
polars     its share: outcome parity
fairlearn  its share on a part of the log: MetricFrame, the rate of clicks by strategy and attribute
"""

import argparse
import json
import pathlib

ATTRIBUTES = ["age_band", "gender", "region"]


def connect(args):
    import duckdb

    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    if args.memory:
        db.execute(f"SET memory_limit = '{args.memory}MiB'")
    db.execute(f"SET temp_directory = '{args.folder / 'spill'}'")
    for name in ["subjects", "items", "consent"]:
        db.execute(f"CREATE VIEW {name} AS SELECT * FROM '{args.folder / name}.parquet'")
    db.execute(f"CREATE VIEW log AS SELECT * FROM '{args.folder / args.log}'")
    return db


def scan(args):
    db = connect(args)
    for table in ["log", "consent"]:
        columns = [row[0] for row in db.execute(f"DESCRIBE {table}").fetchall()]
        db.execute(f"SELECT count(*), {', '.join(f'max({column})' for column in columns)} FROM {table}").fetchall()
    return {}


def by_duckdb(args):
    db = connect(args)
    # One row per request; a request with two people or repeated positions would not count.
    db.execute("""
        CREATE TEMP TABLE decisions AS
        SELECT request_id, min(subject_id) AS subject_id, min(timestamp) AS at, min(strategy) AS strategy, count(*) AS shown
        FROM log GROUP BY request_id
        HAVING min(subject_id) = max(subject_id) AND min(strategy) = max(strategy) AND count(DISTINCT position) = count(*)""")
    # What each record grants or ends: for the web, for the store, and for both together. A grant of both serves each; what
    # ends one context ends their combination, and not the other way round.
    db.execute("""
        CREATE TEMP TABLE timeline AS
        SELECT subject_id, timestamp AS at, coalesce(web, 0) = 1 OR coalesce(web_by_both, 0) = 1 AS web,
            coalesce(store, 0) = 1 OR coalesce(store_by_both, 0) = 1 AS store, coalesce(pair, 0) = 1 AS pair
        FROM (SELECT subject_id, timestamp, last_value(web IGNORE NULLS) OVER so_far AS web,
                last_value(web_by_both IGNORE NULLS) OVER so_far AS web_by_both,
                last_value(store IGNORE NULLS) OVER so_far AS store,
                last_value(store_by_both IGNORE NULLS) OVER so_far AS store_by_both,
                last_value(pair IGNORE NULLS) OVER so_far AS pair
            FROM (SELECT subject_id, timestamp, CASE WHEN scope = 'web' THEN given END AS web,
                    CASE WHEN scope = 'both' OR scope = 'web' AND given = 0 THEN given END AS web_by_both,
                    CASE WHEN scope = 'store' THEN given END AS store,
                    CASE WHEN scope = 'both' OR scope = 'store' AND given = 0 THEN given END AS store_by_both,
                    CASE WHEN scope = 'both' OR given = 0 THEN given END AS pair
                FROM (SELECT subject_id, timestamp, (status = 'given')::INTEGER AS given,
                        CASE WHEN len(contexts) = 2 THEN 'both' ELSE contexts[1] END AS scope FROM consent))
            WINDOW so_far AS (PARTITION BY subject_id ORDER BY timestamp))
        """)
    consent = db.execute("""
        WITH asked AS (
            SELECT d.strategy AS strategy, d.subject_id AS subject_id, k.subject_id IS NOT NULL AS known,
                coalesce(t.web, false) AS web, coalesce(t.store, false) AS store, coalesce(t.pair, false) AS pair
            FROM decisions d ASOF LEFT JOIN timeline t ON d.subject_id = t.subject_id AND d.at >= t.at
            LEFT JOIN (SELECT DISTINCT subject_id FROM consent) k ON d.subject_id = k.subject_id
            WHERE d.strategy <> 'popular'),
        needs AS (
            SELECT strategy, subject_id, known, 'web' AS need, web AS granted FROM asked
            UNION ALL SELECT strategy, subject_id, known, 'store', store FROM asked WHERE strategy = 'hybrid'
            UNION ALL SELECT strategy, subject_id, known, 'store+web', pair FROM asked WHERE strategy = 'hybrid')
        SELECT strategy, need, count(*), count(*) FILTER (WHERE known AND granted),
            count(*) FILTER (WHERE known AND NOT granted),
            count(DISTINCT CASE WHEN known AND NOT granted THEN subject_id END)
        FROM needs GROUP BY ALL""").fetchall()
    # The sums that a cluster-robust interval of a ratio needs, by segment.
    db.execute("""
        CREATE TEMP TABLE per_person AS
        SELECT p.*, s.age_band, s.gender, s.region FROM (
            SELECT strategy, subject_id, count(clicked) AS n, sum(clicked) AS clicks, sum(converted) AS orders,
                sum(round(revenue * 10000)::BIGINT) AS revenue
            FROM log GROUP BY strategy, subject_id) p LEFT JOIN subjects s USING (subject_id)""")
    sums = ", ".join(
        f"sum({y})::DOUBLE, sum({y}::HUGEINT * {y})::DOUBLE, sum({y}::HUGEINT * n)::DOUBLE"
        for y in ["clicks", "orders", "revenue"]
    )
    parity = []
    for attribute in ATTRIBUTES:
        parity += [
            [attribute, *row]
            for row in db.execute(
                f"SELECT strategy, coalesce({attribute}, '(unknown)'), count(*), sum(n)::BIGINT, sum(n::HUGEINT * n)::DOUBLE, "
                f"{sums} FROM per_person GROUP BY ALL"
            ).fetchall()
        ]
    exposure = db.execute("""
        SELECT strategy, provider, count(*), sum(1 / log2(position + 1)) / sum(sum(1 / log2(position + 1)))
            OVER (PARTITION BY strategy)
        FROM log JOIN items USING (item_id) GROUP BY strategy, provider""").fetchall()
    return {"consent": consent, "parity": [row[:5] + [row[6] / row[4]] for row in parity], "exposure": exposure}


def by_polars(args):
    import polars as pl

    log = pl.scan_csv if args.log.endswith("csv") else pl.scan_parquet
    people = pl.scan_parquet(args.folder / "subjects.parquet")
    sums = [pl.len().alias("n")] + [pl.col(name).sum() for name in ["clicked", "converted", "revenue"]]
    per_person = log(args.folder / args.log).group_by("strategy", "subject_id").agg(sums)
    per_person = per_person.join(people, on="subject_id", how="left").collect(engine="streaming")
    parity = []
    for attribute in ATTRIBUTES:
        squares = [(pl.col(y).cast(pl.Float64) ** 2).sum().alias(f"{y}_yy") for y in ["clicked", "converted", "revenue"]]
        cross = [(pl.col(y) * pl.col("n")).sum().alias(f"{y}_yn") for y in ["clicked", "converted", "revenue"]]
        whole = [pl.len().alias("people"), pl.col("n").sum(), pl.col("clicked").sum()]
        rows = per_person.group_by("strategy", attribute).agg(whole + squares + cross)
        for row in rows.iter_rows(named=True):
            parity.append([attribute, row["strategy"], row[attribute], row["people"], row["n"], row["clicked"] / row["n"]])
    return {"parity": parity}


def by_fairlearn(args):
    from fairlearn.metrics import MetricFrame, count, mean_prediction

    db = connect(args)
    frame = db.execute(
        "SELECT strategy, clicked, age_band, gender, region FROM (SELECT * FROM log LIMIT ?) JOIN subjects USING (subject_id)",
        [args.part],
    ).df()
    parity = []
    for attribute in ATTRIBUTES:
        metrics = MetricFrame(
            metrics={"rate": mean_prediction, "n": count},
            y_true=frame.clicked,
            y_pred=frame.clicked,
            sensitive_features=frame[attribute],
            control_features=frame.strategy,
        )
        metrics.ratio(method="to_overall")
        parity += [[attribute, *key, int(row.n), float(row.rate)] for key, row in metrics.by_group.iterrows()]
    return {"rows": len(frame), "parity": parity}


def main():
    rivals = {"scan": scan, "duckdb": by_duckdb, "polars": by_polars, "fairlearn": by_fairlearn}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rival", choices=rivals)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--log", default="impressions.parquet")
    parser.add_argument("--memory", type=int, default=0, help="MiB that DuckDB may use")
    parser.add_argument("--part", type=int, default=1_000_000, help="rows for fairlearn")
    args = parser.parse_args()
    print(json.dumps(rivals[args.rival](args)))


if __name__ == "__main__":
    main()
