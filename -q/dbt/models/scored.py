"""The rows of `flights` with latents and scores. The model is fitted in the first run; remove its file to fit it again."""

import os

import vaepipe


def model(dbt, session):
    dbt.config(materialized="table")
    flights, path = dbt.ref("flights"), dbt.config.get("vae")
    if not os.path.exists(path):
        vaepipe.fit(flights).save(path)
    return vaepipe.Model.load(path).transform(flights)
