#!/bin/sh
# Two databases, each with a user that may use no other: Dagster's and MLflow's. Postgres' image runs this once, when its volume
# is empty; elsewhere (Kubernetes, a server of yours) run it with PGHOST and PGUSER set. The passwords come from the environment.
set -eu
: "${DAGSTER_PG_PASSWORD:?}" "${MLFLOW_PG_PASSWORD:?}"

create() {  # name, and the variable with its password: psql quotes it, so any character may be in it
    psql --username "${PGUSER:-${POSTGRES_USER:-postgres}}" --dbname postgres --no-psqlrc --set ON_ERROR_STOP=1 \
        --set name="$1" --set variable="$2" <<'SQL'
\getenv password :variable
CREATE USER :"name" PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

create dagster DAGSTER_PG_PASSWORD
create mlflow MLFLOW_PG_PASSWORD
