# What the official image does at its first start, in short.
set -eu
if [ ! -f "$PGDATA/ready" ]; then
  rm -rf "$PGDATA"
  initdb -D "$PGDATA" -U postgres --auth=scram-sha-256 --pwfile="$POSTGRES_PASSWORD_FILE" > /dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "create database $POSTGRES_DB;" | postgres --single -D "$PGDATA" postgres > /dev/null
  touch "$PGDATA/ready"
fi
exec "$@" -c "listen_addresses=*"
