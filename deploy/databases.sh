#!/bin/sh
# Creates the databases of Dagster and MLflow, each with a user that may use only that database. Postgres' image runs this script once,
# when its volume is empty. For another server, run it with PGHOST and PGUSER set. The passwords come from the environment.
set -eu
: "${DAGSTER_PG_PASSWORD:?}" "${MLFLOW_PG_PASSWORD:?}"

create() {  # arguments: name, and the variable with the password, which psql quotes, so that it may have any character
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
