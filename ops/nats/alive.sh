#!/bin/sh
# Health check of the nats container: is the server well, and would a restart mend it?
#
# A store that once met a full disk keeps refusing to write after there is room again, until the server is started
# anew; a frozen server answers nothing. An engine never restarts a container for being unhealthy: so the server is
# ended here, and `restart: unless-stopped` starts it. State between two checks lies in /tmp of the container.
url=${NATS_MONITOR:-http://127.0.0.1:8222}${NATS_HEALTHZ:-/healthz}
store=${NATS_STORE:-/data}
pid=${NATS_PID:-$(pidof nats-server | cut -d ' ' -f 1)}
born=$(awk '{ print $22 }' "/proc/$pid/stat" 2> /dev/null)   # a server that was started again is another one
well=${TMPDIR:-/tmp}/nats-well-$born
count=${TMPDIR:-/tmp}/nats-unwell-$born
enough=3          # checks in a row
room=32768        # KiB that must be free

if wget -q -T 5 -O /dev/null "$url"; then
    rm -f "$count"
    touch "$well"
    exit 0
fi
[ -e "$well" ] || enough=60   # it may be reading a large store
unwell=$(( $(cat "$count" 2> /dev/null || echo 0) + 1 ))
echo "$unwell" > "$count"
free=$(df -Pk "$store" | awk 'NR == 2 { print $4 }')
if [ "$unwell" -ge "$enough" ] && [ "${free:-0}" -ge "$room" ]; then
    echo "nats-server has been unwell for $unwell checks and there is room on its disk: ending it" >&2
    rm -f "$count"
    kill -TERM "$pid"
    ( sleep 5; kill -KILL "$pid" 2> /dev/null ) &
fi
exit 1
