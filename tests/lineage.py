#!/usr/bin/env python3
"""Checks that OpenLineage's own client can build every event of a file, which refuses what its specification does not have.

    lineage.py EVENTS.jsonl

Needs: pip install openlineage-python
"""
import importlib, json, pkgutil, sys

import attr
from openlineage.client import event_v2, generated

# The client's classes, by name.
classes = {}
for module in pkgutil.iter_modules(generated.__path__):
    module = importlib.import_module(f"{generated.__name__}.{module.name}")
    classes |= {name: it for name, it in vars(module).items() if isinstance(it, type) and attr.has(it)}


def build(cls, content):
    """An object of a class of the client, by whose fields the content has to go."""
    return cls(**content)


def facet(name, content):
    """A facet of the specification, of the version that the client has; one of this program."""
    content = dict(content)
    producer, url = content.pop("_producer"), content.pop("_schemaURL")
    assert producer.startswith("urn:vaepipe:")
    if name.startswith("vaepipe_"):
        assert url.startswith(producer)
        return
    cls = classes[url.rsplit("/", 1)[1]]
    if name == "schema":
        content["fields"] = [column(it) for it in content["fields"]]
    if name == "parent":
        content = {part: classes[part.title()](**it) for part, it in content.items()}
    built = build(cls, content)
    assert built._get_schema().rsplit("/", 3)[2] == url.rsplit("/", 3)[2], (built._get_schema(), url)
    major = lambda url: url.split("/facets/")[1].split("-")[0]
    assert major(built._get_schema()) == major(url), (built._get_schema(), url)


def column(content):
    content = dict(content)
    content["fields"] = [column(it) for it in content.get("fields", [])]
    return build(classes["SchemaDatasetFacetFields"], content)


def dataset(cls, content, own):
    for facets in ("facets", own):
        for name, it in content.get(facets, {}).items():
            facet(name, it)
    return build(cls, {"namespace": content["namespace"], "name": content["name"]})


events = [json.loads(line) for line in open(sys.argv[1])]
open_runs, ended = set(), []
for event in events:
    assert event.pop("schemaURL") == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    for name, it in [*event["run"].pop("facets").items(), *event["job"].pop("facets").items()]:
        facet(name, it)
    run = event["run"]["runId"]
    event_v2.RunEvent(
        eventType=event_v2.RunState[event.pop("eventType")],
        eventTime=event.pop("eventTime"),
        run=build(event_v2.Run, event.pop("run")),
        job=build(event_v2.Job, event.pop("job")),
        producer=event.pop("producer"),
        inputs=[dataset(event_v2.InputDataset, it, "inputFacets") for it in event.pop("inputs")],
        outputs=[dataset(event_v2.OutputDataset, it, "outputFacets") for it in event.pop("outputs")],
    )
    assert not event, f"{event} is no part of an event"
    if run in open_runs:
        open_runs.remove(run)
        ended.append(run)
    else:
        open_runs.add(run)
assert not open_runs and len(ended) == len(set(ended)) == len(events) // 2 >= 3
print(f"lineage: {len(events)} events of {len(ended)} runs")
