"""Reads the outputs in a folder with the readers that others use, and prints what they read as JSON.

    python3 read.py FOLDER [EXPRESSION...]

Expressions are asked of the SARIF file, and the number of results that each matches is told. Without one, the file is not
validated: that takes seconds.
"""

import glob
import json
import pathlib
import re
import subprocess
import sys

READERS = pathlib.Path(__file__).parent / "readers"
sys.path.insert(0, str(READERS / "python"))

import cmarkgfm
from cmarkgfm.cmark import Options
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from junitparser import Failure, JUnitXml, Skipped
from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics


def junit(path):
    words = {Failure: "failed", Skipped: "skipped"}
    suites = []
    for suite in JUnitXml.fromfile(str(path)):
        cases = []
        for case in suite:
            results = [[words[type(result)], result.message, result.type, result.text] for result in case.result]
            cases.append({"class": case.classname, "name": case.name, "results": results})
        properties = {of.name: of.value for of in suite.properties()}
        counts = [suite.tests, suite.failures, suite.skipped, suite.errors]
        suites.append({"name": suite.name, "counts": counts, "properties": properties, "cases": cases})
    return suites


def metrics(path, parser):
    # Carriage returns are no ends of lines to these formats, nor to this reader.
    text = path.open(encoding="utf-8", newline="").read()
    return [[s.name, s.labels, s.value] for family in parser.text_string_to_metric_families(text) for s in family.samples]


def in_toto(path):
    statement = json_format.Parse(path.read_text(encoding="utf-8"), statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    predicate = json_format.MessageToDict(statement.predicate)
    # Refuses what the predicate does not know.
    result = json_format.ParseDict(predicate, test_result_pb2.TestResult())
    return {
        "type": statement.predicate_type,
        "subjects": [[of.name, of.digest["sha256"]] for of in statement.subject],
        "result": result.result,
        "configuration": [of.name for of in result.configuration],
        "tests": [list(result.passed_tests), list(result.warned_tests), list(result.failed_tests)],
    }


def sarif(path, expressions):
    tool = glob.glob(str(READERS / "node_modules/@microsoft/sarif-multitool-*/Sarif.Multitool"))[0]
    told = path.parent / "validation.json"
    run = lambda *arguments: subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    # On a busy machine its own limit is passed, and what it writes then ends amid a line.
    patient = ["--timeout-in-seconds", "900"]
    said = run("validate", str(path), "--rule-kind", "Sarif;Ghas", "--output", str(told), "--log", "ForceOverwrite", *patient)
    if not told.exists():
        raise SystemExit(said.stdout + said.stderr)
    faults = []
    for result in json.loads(told.read_text(encoding="utf-8-sig"))["runs"][0].get("results", []):
        faults.append([result["ruleId"], result.get("level", "warning"), result["message"].get("arguments")])
    told.unlink()
    counts = []
    for expression in expressions:
        said = run("query", str(path), "--expression", expression).stdout
        counts.append(int(re.search(r"Found ([\d,]+) of", said)[1].replace(",", "")))
    return {"faults": faults, "counts": counts}


folder = pathlib.Path(sys.argv[1])
page = (folder / "summary.md").read_text(encoding="utf-8")
json.dump(
    {
        "junit": junit(folder / "junit.xml"),
        "openmetrics": metrics(folder / "probity.prom", openmetrics),
        "prometheus": metrics(folder / "probity.prom", prometheus),
        "in_toto": in_toto(folder / "probity.intoto.json"),
        # Unsafe: raw HTML is let through, so that what was not escaped is seen.
        "markdown": cmarkgfm.github_flavored_markdown_to_html(page, options=Options.CMARK_OPT_UNSAFE),
        "sarif": sarif(folder / "probity.sarif", sys.argv[2:]) if sys.argv[2:] else None,
    },
    sys.stdout,
)
