# shellcheck shell=bash
#
# How the demonstration talks to the person at the terminal, and how it leaves.
#
# say, heading, step and die print; leave (the EXIT trap) stops every process
# that was started here and removes the working directory.  Nothing in this
# file knows about PostgreSQL except that a server is stopped like any child.

# Colour is for terminals only, and only where it is wanted (no-color.org).
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	TTY=1 BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' YELLOW=$'\e[33m' BLUE=$'\e[34m' PLAIN=$'\e[0m'
else
	TTY='' BOLD='' DIM='' RED='' GREEN='' YELLOW='' BLUE='' PLAIN=''
fi
export LC_ALL=C.UTF-8		# awk, sort and printf read and write 0.5, not 0,5

WORK=''			# everything temporary is in here
SERVER=''		# pid of the server
STEP=''			# pid of the step that is running ...
PATIENT=''		# ... and whether leaving waits for its end

# Folded: nothing is wider than 80 columns, or than the terminal where that is narrower.
say()
{
	printf '%s\n' "$*" | fold -s -w $(($(columns) + 4)) | sed 's/ *$//; s/^/  /'
}

# remark TEXT: what a line before it means.
remark()
{
	printf '%s\n' "$*" | fold -s -w $(($(columns) - 4)) | sed "s/ *\$//; s/^/          $DIM# /; s/\$/$PLAIN/"
}

heading()
{
	printf '\n%s%s%s\n\n' "$BOLD" "$*" "$PLAIN"
}

# nap SECONDS: a sleep that a signal ends at once.  (A program in the foreground
# would not be, and Ctrl-C can be lost when it ends at that very moment; and
# bash 5.2 aborts when a trap leaves read -t.)
nap()
{
	sleep "$1" &
	wait "$!" || true
}

# columns: how wide a text may be here, beside eight for what it stands behind.
columns()
{
	local width=''

	[ -z "$TTY" ] || width=$(stty size 2> /dev/null < /dev/tty | cut -d' ' -f2) || true
	[ "${width:-0}" -ge 60 ] && [ "$width" -le 80 ] || width=80
	echo $((width - 8))
}

# die MESSAGE [FILE]: say why, show the end of a log, and leave.
die()
{
	printf '\n  %s%s%s\n' "$RED" "$1" "$PLAIN" >&2
	if [ -s "${2:-}" ]; then
		tail -n 20 "$2" | sed 's/^/    /' >&2
	fi
	exit 1
}

# step TITLE COMMAND...: run the command, with its output in a log, and show
# that time passes.  A line "> text" of its output is shown as progress.
step()
{
	local title=$1 log began=$SECONDS seen=0 shown='' now

	shift
	log=$(mktemp "$WORK/step.XXXXXX")
	"$@" > "$log" 2>&1 &
	STEP=$!
	[ -n "$TTY" ] || say "$title"
	while kill -0 "$STEP" 2> /dev/null; do
		if [ -n "$TTY" ] && [ "$shown" != "$SECONDS" ]; then
			shown=$SECONDS
			printf '\r  %-62.62s %3d s' "$title" $((shown - began))
		fi
		now=$(grep -c '^> ' "$log") || true
		if [ "$now" -gt "$seen" ]; then
			[ -z "$TTY" ] || printf '\r%72s\r' ''
			grep '^> ' "$log" | tail -n +$((seen + 1)) | sed "s/^> /    $DIM/; s/\$/$PLAIN/"
			seen=$now shown=''
		fi
		nap 0.2
	done
	wait "$STEP" || {
		if grep -qE 'Temporary failure resolving|Could not (resolve|connect)|Network is unreachable' "$log"; then
			die "$title: there is no network, or none that leads to the packages."
		fi
		die "$title: failed." "$log"
	}
	grep '^> ' "$log" | tail -n +$((seen + 1)) | sed "s/^> /    $DIM/; s/\$/$PLAIN/" || true
	if [ -n "$TTY" ]; then
		printf '\r  %-62.62s %3d s\n' "$title" $((SECONDS - began))
	elif [ $((SECONDS - began)) -gt 2 ]; then
		say "  $((SECONDS - began)) s"
	fi
}

# The only way out.
leave()
{
	local status=$? pid

	trap '' INT TERM HUP PIPE
	trap - EXIT
	if [ -n "$PATIENT" ] && kill -0 "$STEP" 2> /dev/null; then
		say 'One moment: the installation of packages is not cut short.' >&2
		wait "$STEP" || true
	fi
	[ "$status" = 0 ] || [ -z "$SERVER" ] || say 'One moment: the server is stopped, and its files are removed.' >&2
	for pid in $(jobs -p); do
		[ "$pid" = "$SERVER" ] || kill -TERM "$pid" 2> /dev/null || true
	done
	stop_server
	wait
	remove_files
	exit "$status"
}

# At once: it keeps nothing that anybody wants back, and a gentle stop would
# first write it all to disk.  Asked again and again, because a server that is
# just starting does not listen yet; and until wait has taken note of its end,
# which kill alone would never see in a trap.
stop_server()
{
	[ -n "$SERVER" ] || return 0
	(while kill -QUIT "$SERVER"; do sleep 0.1; done) 2> /dev/null &
	wait "$SERVER" || true
}

# Again and again as well: what was just told to end may still be writing.
remove_files()
{
	local try

	[ -n "$WORK" ] || return 0
	for try in {1..50}; do
		rm -rf --one-file-system "$WORK" 2> /dev/null && return
		nap 0.1
	done
	say "Something is still writing to $WORK; please remove it." >&2
}

trap leave EXIT
trap 'printf "\n"; exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap 'exit 141' PIPE
