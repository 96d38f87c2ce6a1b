#!/bin/sh
# Keeps one throwaway database server for as long as standard input stays open.
#
# The test process holds the other end of standard input. The kernel closes it when that process ends, whatever ended
# it (a panic, Ctrl-C, SIGKILL): then the server is killed and its directory removed, so nothing outlives a test.
# Until then each line is an order: `start`, or the name of the signal that the server shall get; the line `gone` on
# standard output says that it has ended.
#
# Environment: ENGINE (postgres or mysql), SERVER_PROGRAM and INSTALL_PROGRAM, DIR (its own directory), PORT, the
# passwords ADMIN and APP, and TUNING: more options of the server, which win over those below. PRIMARY: how the standby
# of a PostgreSQL server connects to that; INSTALL_PROGRAM is pg_basebackup then.
set -eu
# The test process may end between an order and its answer.
trap '' PIPE
data="$DIR/data"

install_postgres() {
    if [ -n "$PRIMARY" ]; then
        "$INSTALL_PROGRAM" --pgdata "$data" --dbname "$PRIMARY" --write-recovery-conf --checkpoint fast --no-sync
        return
    fi
    printf '%s\n' "$ADMIN" >"$DIR/password"
    "$INSTALL_PROGRAM" --pgdata "$data" --username postgres --pwfile "$DIR/password" --auth-local trust \
        --auth-host scram-sha-256 --encoding UTF8 --locale C --no-sync
}

# Without fsync a commit still reaches the operating system: it survives a killed server, though no power failure.
start_postgres() {
    "$SERVER_PROGRAM" -D "$data" -k "$DIR" -p "$PORT" -h 127.0.0.1 -c timezone=UTC -c max_connections=200 -c fsync=off \
        -c full_page_writes=off $TUNING </dev/null >>"$DIR/log" 2>&1 &
}

install_mysql() {
    "$INSTALL_PROGRAM" --no-defaults --datadir="$data" --auth-root-authentication-method=normal --skip-test-db
    # Read at each start, so every statement must bear being run again.
    cat >"$DIR/init.sql" <<SQL
CREATE USER IF NOT EXISTS admin@'127.0.0.1' IDENTIFIED BY '$ADMIN';
GRANT ALL PRIVILEGES ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS app@'127.0.0.1' IDENTIFIED BY '$APP';
DROP USER IF EXISTS ''@'localhost';
SQL
}

start_mysql() {
    "$SERVER_PROGRAM" --no-defaults --datadir="$data" --socket="$DIR/socket" --pid-file="$DIR/pid" --port="$PORT" \
        --bind-address=127.0.0.1 --skip-name-resolve --default-time-zone=+00:00 --character-set-server=utf8mb4 \
        --max-connections=200 --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=2 \
        --innodb-doublewrite=0 --init-file="$DIR/init.sql" $TUNING </dev/null >>"$DIR/log" 2>&1 &
}

# The server may have ended by itself: that is no error here.
end_with() {
    kill -s "$1" "$server" 2>/dev/null || true
    wait "$server" || true
}

"install_$ENGINE" >"$DIR/log" 2>&1
"start_$ENGINE"
server=$!
while read -r order; do
    if [ "$order" = start ]; then
        wait "$server" || true
        "start_$ENGINE"
        server=$!
    else
        end_with "$order"
        echo gone || true
    fi
done

# PostgreSQL ends its other processes on QUIT; after KILL they would linger for a moment. Again and again, because the
# shell starts the server with QUIT ignored, which holds until the server has set up its own handler.
if [ "$ENGINE" = postgres ]; then last=QUIT; else last=KILL; fi
while kill -s "$last" "$server" 2>/dev/null; do sleep 0.1; done
rm -rf "$DIR"
