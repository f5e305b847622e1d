# What the scripts in a tree share.  Each step has a line "ok - what" or "not ok - what"; later ones are taken all the same.

failed=0
is_ok() { # WHAT COMMAND...
	local what=$1
	shift
	if "$@"; then echo "ok - $what"; else echo "not ok - $what"; failed=1; fi
}
fails() { ! "$@"; }
