{{ config(materialized="table") }}
select * from read_parquet('{{ var("input") }}')
