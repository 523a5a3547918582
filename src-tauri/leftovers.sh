# Ends the WebKit processes a run of the app left behind. $1 is the run's mark; standard input closes when the app has
# ended, however it ended. See leftovers.rs.
trap '' HUP INT TERM
cat >/dev/null
# They may end by themselves and write what they keep.
sleep 0.6
turns=0
quiet=0
# One that was being started when the app died shows its mark a moment later: look more than once.
while [ "$quiet" -lt 3 ] && [ "$turns" -lt 60 ]; do
    quiet=$((quiet + 1))
    turns=$((turns + 1))
    for process in /proc/[0-9]*; do
        # Both must hold, name and mark: a browser a link was opened in is none of ours.
        { read -r name <"$process/comm"; } 2>/dev/null || continue
        case $name in WebKit*) ;; *) continue ;; esac
        tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -qx "SLIPWAY_RUN_MARK=$1" || continue
        kill -9 "${process#/proc/}" 2>/dev/null
        quiet=0
    done
    sleep 0.1
done
