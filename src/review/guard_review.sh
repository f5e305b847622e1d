#!/bin/sh
# guard_review: judge migration files against a live database, without running them.
#
# The files are joined into one script, which guard.review() judges on the server; this program follows \i, takes the way up of files
# that hold both ways, and says afterwards in which file and line each statement stands.  It needs a POSIX shell, awk and psql.
#
# Everything travels in two temporary files: the script, and a map from its lines to files and lines.  What the program itself puts
# into the script (BEGIN and COMMIT around a file that its tool runs in one transaction, a semicolon behind a file) has line 0 there.
#
# Whether a line is in a comment, a string or data, only the server knows, which reads the script as psql does.  So a statement of our
# own is put wherever the program departs from the text: for a mark, around an included file, at the beginning of a file.  It has a
# negative line in the map.  Where the server has not found it, the text around it hides what it should not.
set -u

version='@VERSION@'

usage() {
	cat <<'END'
guard_review judges migration files on a live database, without running them.

Usage:
  guard_review [OPTION]... [FILE | FOLDER]...
  guard_review [OPTION]... < FILE

Without a file, or where the file is -, standard input is read. Several files
are judged one after the other, each as it finds the names that those before
it leave. Of a folder, its *.sql files in the order of their names, or, for a
sqitch project, those of deploy/ in the order of the plan.

Nothing is changed in the database, no lock is waited for, and passwords in the
files are not shown.

Options:
  --format=FORMAT           text (default), markdown, json or junit
  -1, --single-transaction  each file runs in one transaction, as most migration
                            tools have it
  -v, --set=NAME=VALUE      a variable that the files use: :NAME as in psql, or
                            ${NAME}
  --strict                  what cannot be seen into is a failure (status 2)
  --all                     in text and markdown, list statements about which
                            there is nothing to say as well
  -d, --dbname=DBNAME       database to connect to, or a connection string
  -h, --host=HOST           server to connect to
  -p, --port=PORT           its port
  -U, --username=USERNAME   role to connect as
  -w, --no-password         never ask for a password
  --help                    show this help
  --version                 show the version

Environment:
  All variables of libpq count: PGHOST, PGSERVICE, PGPASSFILE, PGOPTIONS, ...

Both ways in one file:
  The way up is judged of files for goose, sql-migrate, dbmate, node-pg-migrate,
  tern, Liquibase, MyBatis, Play and of those marked "-- Up" and "-- Down".
  X.down.sql, down.sql, X.rollback.sql, Flyway's U1__x.sql and sqitch's revert/
  and verify/ are left out of a folder, and of a list of files that has the way
  up as well.

Exit status:
  0  nothing is blocked
  1  something is blocked
  2  it could not be judged: no connection, a syntax error, an index that does
     not exist, that you may not ask about, or that must be compared by hand
END
}

fail() { echo "guard_review: $*" >&2; exit 2; }

# ---- options

format=text strict= all= single= vars= dbname= host= port= user= never=
newline='
'
add_var() {
	case $1 in
	[A-Za-z_]*=*) vars=$vars$1$newline ;;
	*) fail "not a variable: $1" ;;
	esac
}
files=
add_file() { files=$files$1$newline; }

while [ $# -gt 0 ]; do
	option=$1
	shift
	case $option in
	--help|-\?) usage; exit 0 ;;
	--version|-V) echo "guard_review $version"; exit 0 ;;
	--format=*) format=${option#*=} ;;
	-1|--single-transaction) single=1 ;;
	--strict) strict=1 ;;
	--all) all=1 ;;
	-w|--no-password) never=-w ;;
	--set=*|--variable=*) add_var "${option#*=}" ;;
	--dbname=*) dbname=${option#*=} ;;
	--host=*) host=${option#*=} ;;
	--port=*) port=${option#*=} ;;
	--username=*) user=${option#*=} ;;
	--format|--set|--variable|-v|--dbname|-d|--host|-h|--port|-p|--username|-U)
		[ $# -gt 0 ] || fail "option $option needs a value; see guard_review --help"
		case $option in
		--format) format=$1 ;;
		--dbname|-d) dbname=$1 ;;
		--host|-h) host=$1 ;;
		--port|-p) port=$1 ;;
		--username|-U) user=$1 ;;
		*) add_var "$1" ;;
		esac
		shift ;;
	--) while [ $# -gt 0 ]; do add_file "$1"; shift; done ;;
	-) add_file - ;;
	-*) fail "no option $option; see guard_review --help" ;;
	*) add_file "$option" ;;
	esac
done
case $format in
text|markdown|json|junit) ;;
*) fail "no format $format: text, markdown, json or junit" ;;
esac
command -v psql > /dev/null || fail "psql is not in PATH"

work=$(mktemp -d "${TMPDIR:-/tmp}/guard_review.XXXXXX") || fail "could not make a temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

# ---- which files

# A name with a line break in it would be two.
is_way_down() {
	case ${1##*/} in
	*.down.sql|*_down.sql|*-down.sql|down.sql|*.rollback.sql|*.undo.sql|*.revert.sql) return 0 ;;
	U[0-9]*__*.sql) return 0 ;;
	esac
	case /$1 in
	*/revert/*|*/verify/*) return 0 ;;
	esac
	return 1
}

# The way up that belongs to a way down.
way_up_of() {
	case $1 in
	*down.sql) printf '%s\n' "${1%down.sql}up.sql" ;;
	*.rollback.sql|*.undo.sql|*.revert.sql) f=${1%.sql}; printf '%s\n' "${f%.*}.sql" ;;
	*/U[0-9]*) printf '%s\n' "${1%/*}/V${1##*/U}" ;;
	U[0-9]*) printf '%s\n' "V${1#U}" ;;
	*/revert/*) printf '%s\n' "${1%/revert/*}/deploy/${1##*/revert/}" ;;
	*/verify/*) printf '%s\n' "${1%/verify/*}/deploy/${1##*/verify/}" ;;
	revert/*|verify/*) printf '%s\n' "deploy/${1#*/}" ;;
	esac
}

# deploy/ of a sqitch project, by its plan.
list_plan() {
	sed -n 's/^[[:space:]]*\([^%@#[:space:]][^[:space:]]*\).*/\1/p' "$1/sqitch.plan" | while IFS= read -r change; do
		[ -f "$1/deploy/$change.sql" ] && printf '%s\n' "$1/deploy/$change.sql"
	done
}

list_folder() {
	folder=${1%/}
	if [ -d "$folder/deploy" ] && [ -f "$folder/sqitch.plan" ]; then
		list_plan "$folder"
	elif [ "${folder##*/}" = deploy ] && [ -f "$folder/../sqitch.plan" ]; then
		list_plan "$folder/.."
	else
		if [ -d "$folder/deploy" ] && [ -d "$folder/revert" ]; then folder=$folder/deploy; fi
		[ -z "$(find "$folder" -name "*$newline*")" ] || fail "could not judge $folder: a name in it has a line break"
		find "$folder" \( -type f -o -type l \) -name '*.sql' | LC_ALL=C sort | awk '
			# numbers in names by their value, as most tools have them: V2__ before V10__
			function key(s,   out) {
				out = ""
				while (match(s, /[0-9]+/)) {
					out = out substr(s, 1, RSTART - 1) sprintf("%30s", substr(s, RSTART, RLENGTH))
					s = substr(s, RSTART + RLENGTH)
				}
				return out s
			}
			# Flyway runs the repeatable ones last
			{ file = $0; if (sub(/(^|\/)R__/, "/~R__", file)) $0 = $0; print key(file) "\037" $0 }' | LC_ALL=C sort | sed "s/^.*$(printf '\037')//" | while IFS= read -r file; do
			is_way_down "${file#"$folder"/}" || printf '%s\n' "$file"
		done
	fi
}

printf '%s' "${files:--$newline}" > "$work/given"
exec 3<&0
while IFS= read -r file; do
	if [ "$file" = - ]; then
		cat <&3 > "$work/stdin"
		printf '%s\n' "$file"
	elif [ -d "$file" ]; then
		list_folder "$file"
	elif [ -h "$file" ]; then
		fail "could not judge $file: it is a symbolic link"
	elif [ -f "$file" ] && [ -r "$file" ]; then
		case $file in /inet*|/dev/*) fail "could not judge $file: it is not a file" ;; esac
		up=
		is_way_down "$file" && up=$(way_up_of "$file")
		if [ -n "$up" ] && grep -Fqx -e "$up" "$work/given"; then
			echo "guard_review: left out $file, for the way up is judged" >&2
		else
			printf '%s\n' "$file"
		fi
	else
		fail "could not read $file"
	fi
done < "$work/given" > "$work/files" || exit 2
[ -s "$work/files" ] || fail "no file to judge"

# Neither awk nor psql reads on behind a zero byte.
while IFS= read -r file; do
	path=$file
	[ "$file" != - ] || { file='standard input'; path=$work/stdin; }
	[ ! -h "$path" ] || fail "could not judge $file: it is a symbolic link"
	[ -f "$path" ] && [ -r "$path" ] || fail "could not read $file"
	zeros=$(tr -dc '\000' < "$path" | head -c 1 | wc -c)
	[ "$zeros" -eq 0 ] || fail "could not judge $file: it has zero bytes; is it UTF-16?"
done < "$work/files" || exit 2

# ---- one script of them all

# May FILE be included, below ROOT?  0 yes, 1 it is not there, anything else no.
cat > "$work/may_include" <<'END'
[ -e "$2" ] || [ -h "$2" ] || exit 1
case $2 in /inet*|/dev/*) exit 2 ;; esac
[ -n "$1" ] && [ ! -h "$2" ] && [ -f "$2" ] && [ -r "$2" ] || exit 2
case $2 in */*) folder=${2%/*} ;; *) folder=. ;; esac
root=$(cd -P -- "$1" 2> /dev/null && pwd) && folder=$(cd -P -- "${folder:-/}" 2> /dev/null && pwd) || exit 2
case $folder/ in "${root%/}"/*) ;; *) exit 2 ;; esac
[ "$(tr -dc '\000' < "$2" | head -c 1 | wc -c)" -eq 0 ] || exit 3
END
printf '%s' "$vars" > "$work/vars"
LC_ALL=C awk -v work="$work" -v single="$single" '
	function put(text, file, line) {
		print text > (work "/script")
		print line "\t" file > (work "/map")
	}

	function lower(s) { return tolower(s) }

	function probe(file, line) {
		put(";", file, 0)
		put("SELECT 1;", file, -line)
	}

	# Is this line a mark of some tool?  "up", "down", or "" for none; sets tool where the tool runs the file in one transaction.
	function mark(line,   l) {
		tool = 0
		l = lower(line)
		sub(/[ \t\r]+$/, "", l)
		if (l !~ /^[ \t]*(--|#)/) return ""
		sub(/^[ \t]+/, "", l)
		if (l ~ /^--[ \t]*\+(goose|migrate)[ \t]+up/) { tool = l !~ /notransaction/; return "up" }
		if (l ~ /^--[ \t]*\+(goose|migrate)[ \t]+down/) return "down"
		if (l ~ /^--[ \t]*migrate:up/) { tool = l !~ /transaction:[ \t]*false/; return "up" }
		if (l ~ /^--[ \t]*migrate:down/) return "down"
		if (l ~ /^--[ \t]*rambler[ \t]+up/) { tool = 1; return "up" }
		if (l ~ /^--[ \t]*rambler[ \t]+down/) return "down"
		if (l ~ /^--[-= \t]*up([ \t]+migration)?[-= \t]*$/) { tool = l ~ /migration/; return "up" }
		if (l ~ /^--[-= \t]*down[ \t]+migration[-= \t]*$/) return "down"
		if (l ~ /^--[-= \t]*down[-= \t]*$/) return seen_up ? "down" : ""
		if (l ~ /^--+[ \t]*create above \/ drop below/) return "down"
		if (l ~ /^(#|--)[ \t]*(---)?[ \t]*!ups/) return "up"
		if (l ~ /^(#|--)[ \t]*(---)?[ \t]*!downs/) return "down"
		if (l ~ /^--[ \t]*\/\/[ \t]*@undo/) return "down"
		if (l ~ /^--[ \t]*changeset[ \t]/) return "up"
		if (l ~ /^--[ \t]*@?(rollback|undo)[ \t]*:?$/) return "down"
		return ""
	}

	# Variables that are known, put in place as psql does.
	function fill(line,   name, out, before) {
		for (name in value) {
			if (index(line, ":") == 0 && index(line, "${") == 0) break
			out = ""
			while (match(line, ":(\"" name "\"|\047" name "\047|" name ")")) {
				before = substr(line, 1, RSTART - 1)
				found = substr(line, RSTART + 1, RLENGTH - 1)
				rest = substr(line, RSTART + RLENGTH)
				if (before ~ /:$/ || (found == name && rest ~ /^[A-Za-z0-9_]/))
					out = out before ":" found
				else if (found ~ /^"/) { v = value[name]; gsub(/"/, "\"\"", v); out = out before "\"" v "\"" }
				else if (found ~ /^\047/) { v = value[name]; gsub(/\047/, "\047\047", v); out = out before "\047" v "\047" }
				else out = out before value[name]
				line = rest
			}
			line = out line
			if (index(line, "${" name "}")) line = swap(line, "${" name "}", value[name])
		}
		return line
	}

	function swap(s, from, to,   out, at) {
		out = ""
		while (at = index(s, from)) {
			out = out substr(s, 1, at - 1) to
			s = substr(s, at + length(from))
		}
		return out s
	}

	function folder_of(file) { return sub(/\/[^\/]*$/, "", file) ? file : "." }

	function quoted(s) { return "\047" swap(s, "\047", "\047\\\047\047") "\047" }

	# One that is being read is not opened again: awk would begin it anew.
	function readable(file,   status) {
		if (file in reading) return 1
		if (!(file in asked)) asked[file] = system("exec sh " quoted(work "/may_include") " " quoted(root) " " quoted(file))
		status = asked[file]
		if (status > 1)
			refuse(file ": " (status == 3 ? "it has zero bytes" : "a file is included only from the folder of the one that is judged, or below, and not by a symbolic link"))
		return status == 0
	}

	function refuse(why) {
		print "guard_review: could not judge " why | "cat >&2"
		close("cat >&2")
		exit 2
	}

	# The file that \i or \ir names; "" for what is not there, or is known to psql alone.
	function included(line, file,   name, command) {
		command = line
		sub(/[ \t\r]+$/, "", command)
		if (command !~ /^[ \t]*\\(i|ir|include|include_relative)[ \t]+[^ \t]/) return ""
		name = command
		sub(/^[ \t]*\\[a-z_]+[ \t]+/, "", name)
		if (name ~ /^\047.*\047$/) name = substr(name, 2, length(name) - 2)
		if (name ~ /[`]/ || name ~ /:[A-Za-z\047"]/) return ""
		if (name !~ /^\// && (command ~ /^[ \t]*\\(ir|include_relative)/ || !readable(name)))
			name = folder_of(file) "/" name
		while (sub(/^\.\//, "", name) || sub(/\/\.\//, "/", name))
			;
		return readable(name) ? name : ""
	}

	function set_variable(line,   name) {
		sub(/^[ \t]*\\set[ \t]+/, "", line)
		sub(/[ \t\r]+$/, "", line)
		name = line
		sub(/[ \t].*/, "", name)
		if (name == line || name !~ /^[A-Za-z_][A-Za-z0-9_]*$/) return
		line = substr(line, length(name) + 1)
		sub(/^[ \t]+/, "", line)
		gsub(/\047/, "", line)
		# psql puts nothing in place in comments and strings; what could begin or end one stays unknown
		if (line !~ /^[A-Za-z0-9_., \200-\377]*$/) { delete value[name]; return }
		value[name] = line
	}

	# Does the file say that its tool must not open a transaction?
	function no_transaction(path,   line, found) {
		while ((getline line < path) > 0)
			if (lower(line) ~ /^[ \t]*--[ \t]*(\+goose[ \t]+no[ \t]+transaction|\+migrate.*notransaction|disable-transaction|.*transaction:[ \t]*false)/) found = 1
		close(path)
		return found
	}

	# Lines of one file, "path" being where it is and "file" what it is called.
	function take(path, file, depth,   line, n, m, other, copying, down, opened, name) {
		n = 0; copying = 0; down = 0; opened = 0
		reading[path] = 1
		if (depth == 0) {
			seen_up = 0
			none = no_transaction(path)
			probe(file, 1)
			if (single) { put("BEGIN;", file, 0); opened = 1 }
		}
		while ((getline line < path) > 0) {
			n++
			if (n == 1) sub(/^\357\273\277/, "", line)
			if (copying) {
				if (line ~ /^\\\.\r?$/) copying = 0
				put(down ? "" : line, file, n)
				continue
			}
			m = mark(line)
			if (m == "up") {
				down = 0; seen_up = 1
				if (tool && !none && !opened) { put("BEGIN;", file, 0); opened = 1 }
				put("", file, n)
				continue
			}
			if (m == "down") {
				if (!down) probe(file, n)
				down = 1
				continue
			}
			if (down) { left_out[file] += line !~ /^[ \t\r]*$/; put("", file, n); continue }
			if (line ~ /^[ \t]*\\set[ \t]/) set_variable(line)
			line = fill(line)
			other = included(line, path == file ? file : ".")
			if (other != "") {
				if (!(other in reading)) {
					if (++includes > 1000 || depth > 20) refuse(file ": too many files are included")
					probe(file, n)
					take(other, other, depth + 1)
					probe(file, n)
					continue
				}
			}
			if (lower(line) ~ /^[ \t]*copy[ \t].*[ \t]from[ \t]+stdin[^\047]*;[ \t\r]*$/ || \
				(lower(line) ~ /^[ \t]*from[ \t]+stdin[^\047]*;[ \t\r]*$/)) copying = 1
			put(line, file, n)
		}
		close(path)
		delete reading[path]
		put(";", file, 0)
		if (opened) put("COMMIT;", file, 0)
	}

	BEGIN {
		while ((getline line < (work "/vars")) > 0) {
			name = line
			sub(/=.*/, "", name)
			value[name] = substr(line, length(name) + 2)
		}
		printf "" > (work "/script")
		printf "" > (work "/map")
		while ((getline name < (work "/files")) > 0) {
			# /proc and the like are not below it, nor is anything where standard input says so
			root = name == "-" ? "" : folder_of(name)
			if (root == "" && name ~ /^\//) root = "/"
			split("", asked)
			take(name == "-" ? work "/stdin" : name, name == "-" ? "standard input" : name, 0)
		}
		printf "" > (work "/left_out")
		for (name in left_out) print left_out[name] "\t" name > (work "/left_out")
	}' || exit 2
od -A n -v -t x1 < "$work/script" | tr -d ' \n' > "$work/hex"

# ---- judged by the server

cat > "$work/query" <<'END'
\set ddl `cat "$GUARD_REVIEW_WORK/hex"`
\set encoding `echo "$GUARD_REVIEW_ENCODING"`
SELECT to_regprocedure('guard.review(text)') IS NULL AS missing, getdatabaseencoding() = 'SQL_ASCII' AS bytes \gset
\if :bytes
\encoding SQL_ASCII
\endif
\if :missing
\echo missing
\else
-- what separates columns and rows below must not come from the files
SELECT statement, line, translate(command, E'\036\037', '??'), translate(target, E'\036\037', '??'), verdict, reason,
	translate(detail, E'\036\037', '??'), translate(advice, E'\036\037', '??') FROM guard.review(convert_from(decode(:'ddl', 'hex'), :'encoding'));
\endif
END
set -- -X -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=terse -f "$work/query" -F "$(printf '\037')" -R "$(printf '\036')" -P null= $never
[ -z "$host" ] || set -- "$@" -h "$host"
[ -z "$port" ] || set -- "$@" -p "$port"
[ -z "$user" ] || set -- "$@" -U "$user"
[ -z "$dbname" ] || set -- "$@" -d "$dbname"
encoding=${PGCLIENTENCODING:-UTF8}
GUARD_REVIEW_WORK=$work GUARD_REVIEW_ENCODING=$encoding PGCLIENTENCODING=UTF8 PGAPPNAME=${PGAPPNAME:-guard_review} \
	psql "$@" > "$work/rows" 2> "$work/errors" < /dev/null || {
	if grep -q 'invalid byte sequence for encoding' "$work/errors"; then
		fail "the files are not in encoding $encoding: set PGCLIENTENCODING to the one they are in"
	fi
	sed 's/^psql:[^ ]*: //; s/^psql: //; s/^/guard_review: /' "$work/errors" >&2
	exit 2
}
if [ "$(head -c 7 "$work/rows")" = missing ]; then
	fail "guard is not installed in this database: CREATE EXTENSION guard;"
fi

# ---- told

color=
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then color=1; fi

LC_ALL=C awk -v format="$format" -v strict="$strict" -v all="$all" -v color="$color" -v work="$work" '
	function paint(code, text) { return color ? "\033[" code "m" text "\033[0m" : text }

	# "statement 3" is the third one of the script; people look for a line.
	function place(number, from) {
		if (!(number in file_of)) return "statement " number
		return "statement " own[number] " (" (file_of[number] == from ? "" : file_of[number] " ") "line " line_of[number] ")"
	}

	function translate(text, from,   out, n, part) {
		out = ""
		while (match(text, /[Ss]tatements? [0-9]+( and [0-9]+)?/)) {
			part = substr(text, RSTART, RLENGTH)
			out = out substr(text, 1, RSTART - 1)
			text = substr(text, RSTART + RLENGTH)
			n = split(part, words, " ")
			if (n == 4) part = place(words[2], from) " and " place(words[4], from)
			else part = place(words[2], from)
			if (words[1] ~ /^S/) part = "S" substr(part, 2)
			out = out part
		}
		return out text
	}

	# Replace text by text: what a replacement in sub() means differs from one awk to the next.
	function swap(s, from, to,   out, at) {
		out = ""
		while (at = index(s, from)) {
			out = out substr(s, 1, at - 1) to
			s = substr(s, at + length(from))
		}
		return out s
	}

	# What a terminal, XML or JSON cannot bear: control characters, those that turn the direction of writing, what is no UTF-8.
	function clean(s,   rest) {
		rest = s
		gsub(/[\001-\177]+|[\302-\337][\200-\277]|[\340-\357][\200-\277][\200-\277]|[\360-\364][\200-\277][\200-\277][\200-\277]/, "", rest)
		if (rest != "") gsub(/[\200-\377]/, "?", s)
		gsub(/[\001-\010\013-\037\177]|\302[\200-\237]|\342\200[\213-\217\250-\256]|\342\201[\246-\251]|\355[\240-\277][\200-\277]|\357\277[\276\277]/, "?", s)
		return s
	}

	function one_line(s) { gsub(/[ \t\r\n]+/, " ", s); return s }

	function json(s) {
		if (s == "") return "null"
		s = swap(s, "\\", "\\\\")
		s = swap(s, "\"", "\\\"")
		s = swap(s, "\n", "\\n")
		s = swap(s, "\r", "\\r")
		s = swap(s, "\t", "\\t")
		return "\"" s "\""
	}

	function xml(s) {
		s = swap(s, "&", "&amp;")
		s = swap(s, "<", "&lt;")
		s = swap(s, ">", "&gt;")
		s = swap(s, "\"", "&quot;")
		return swap(s, "\n", "&#10;")
	}

	# In a table of Markdown: one line, and nothing that means something there.
	function cell(s) {
		s = swap(one_line(s), "&", "&amp;")
		s = swap(s, "<", "&lt;")
		s = swap(s, ">", "&gt;")
		s = swap(s, "|", "\\|")
		s = swap(s, "*", "\\*")
		s = swap(s, "@", "&#64;")
		s = swap(s, "[", "&#91;")
		s = swap(s, "]", "&#93;")
		s = swap(s, "(", "&#40;")
		s = swap(s, ")", "&#41;")
		s = swap(s, "!", "&#33;")
		s = swap(s, "`", "&#96;")
		s = swap(s, "~", "&#126;")
		s = swap(s, "://", "&#58;//")
		s = swap(s, "www.", "www&#46;")
		return swap(s, "_", "\\_")
	}

	function code(s) {
		if (s == "") return ""
		return "`" swap(swap(one_line(s), "`", "\047"), "|", "\\|") "`"
	}

	function cut(s) {
		if (length(s) <= 80) return s
		s = substr(s, 1, 80)
		sub(/[\300-\377][\200-\277]*$/, "", s)
		return s
	}

	function plural(n, one, many) { return n + 0 " " (n == 1 ? one : many) }

	function summary(   s) {
		s = blocked ? plural(blocked, "index", "indexes") " blocked" : "nothing blocked"
		if (unknown) s = s ", " unknown " to compare by hand"
		if (errors) s = s ", " plural(errors, "syntax error", "syntax errors")
		if (opaque) s = s ", " opaque " not reviewed"
		if (delayed) s = s ", " delayed " delayed"
		return s " in " plural(statements, "statement", "statements")
	}

	# What nobody judged, because a mark says that it is the way down; "" for nothing.
	function tell_left_out(   s, i) {
		for (i = 1; i <= left; i++) s = s (i > 1 ? ", " : "left out as the way down: ") plural(left_lines[i], "line", "lines") " of " left_file[i]
		return s
	}

	function worth(i) { return all || verdict[i] != "allow" || advice[i] != "" || target[i] != "" }

	function wrap(text, indent,   out, n, words, i, width) {
		n = split(text, words, /[ \n]+/)
		out = indent; width = length(indent)
		for (i = 1; i <= n; i++) {
			if (width + length(words[i]) > 110 && width > length(indent)) { out = out "\n" indent; width = length(indent) }
			out = out words[i] " "
			width += length(words[i]) + 1
		}
		sub(/ +$/, "", out)
		gsub(/ +\n/, "\n", out)
		return out
	}

	function tell_text(   i, head, shade) {
		for (i = 1; i <= n; i++) {
			if (!worth(i)) continue
			if (verdict[i] == "not reviewed" && advice[i] == "") {
				print paint("33;1", "NOT REVIEWED") "  " file[i] ":" line[i] "  " command[i] "\n" wrap(detail[i], "    ") "\n"
				continue
			}
			shade = verdict[i] == "allow" ? "32" : verdict[i] == "block" || verdict[i] == "error" ? "31" : "33"
			print paint(shade ";1", toupper(verdict[i])) (reason[i] == "" ? "" : " (" reason[i] ")") "  " file[i] ":" line[i] "  " command[i]
			if (target[i] != "") print "    " target[i]
			if (detail[i] != "") print wrap(detail[i], "    ")
			if (advice[i] != "") print paint("36", wrap("=> " advice[i], "    "))
			print ""
		}
		print paint(status == 0 ? "32;1" : "31;1", "guard: " summary())
		if (left) print paint("33;1", "guard: " tell_left_out())
	}

	function tell_markdown(   i) {
		print "### guard: " (blocked ? "blocked" : status ? "not judged in full" : "nothing blocked")
		print ""
		print cell(summary()) "."
		print ""
		if (left) print "**" cell(tell_left_out()) "**\n"
		for (i = 1; i <= n; i++) shown += worth(i)
		if (shown == 0) return
		print "| where | statement | index | verdict | what to do |"
		print "|---|---|---|---|---|"
		for (i = 1; i <= n; i++) {
			if (!worth(i)) continue
			print "| " cell(file[i]) ":" line[i] " | " code(cut(command[i])) " | " code(target[i]) " | " \
				(verdict[i] == "allow" ? verdict[i] : "**" verdict[i] "**") (reason[i] == "" ? "" : " (" cell(reason[i]) ")") \
				" | " cell(advice[i]) " |"
		}
		print ""
		print "<details><summary>Evidence</summary>"
		print ""
		for (i = 1; i <= n; i++)
			if (worth(i) && detail[i] != "")
				print "- " cell(file[i]) ":" line[i] (target[i] == "" ? "" : " " code(target[i])) ": " cell(detail[i])
		print ""
		print "</details>"
	}

	function tell_json(   i) {
		print "{"
		print "  \"verdict\": " json(blocked ? "block" : status ? "unknown" : "allow") ","
		print "  \"statements\": " statements + 0 ","
		print "  \"blocked\": " blocked + 0 ","
		print "  \"unknown\": " unknown + 0 ","
		print "  \"errors\": " errors + 0 ","
		print "  \"not_reviewed\": " opaque + 0 ","
		print "  \"rows\": ["
		for (i = 1; i <= n; i++) {
			print "    {\"file\": " json(file[i]) ", \"line\": " line[i] ", \"statement\": " number[i] \
				", \"command\": " json(command[i]) ", \"target\": " json(target[i]) ","
			print "     \"verdict\": " json(verdict[i]) ", \"reason\": " json(reason[i]) \
				", \"detail\": " json(detail[i]) ", \"advice\": " json(advice[i]) "}" (i < n ? "," : "")
		}
		print "  ],"
		print "  \"left_out\": ["
		for (i = 1; i <= left; i++) print "    {\"file\": " json(left_file[i]) ", \"lines\": " left_lines[i] "}" (i < left ? "," : "")
		print "  ]"
		print "}"
	}

	function tell_junit(   i, text) {
		print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
		print "<testsuites>"
		print "<testsuite name=\"guard_review\" tests=\"" n + 0 "\" failures=\"" blocked + 0 "\" errors=\"" errors + unknown "\" skipped=\"" opaque + 0 "\">"
		for (i = 1; i <= n; i++) {
			text = xml(detail[i] (advice[i] == "" ? "" : "\n" advice[i]))
			printf "<testcase classname=\"%s\" name=\"%s\" file=\"%s\" line=\"%d\">", xml(file[i]), \
				xml("line " line[i] ": " command[i] (target[i] == "" ? "" : " [" target[i] "]")), xml(file[i]), line[i]
			if (verdict[i] == "block")
				printf "<failure type=\"%s\" message=\"%s\">%s</failure>", xml(reason[i]), xml("cannot drop " target[i]), text
			else if (verdict[i] == "error" || verdict[i] == "unknown")
				printf "<error type=\"%s\" message=\"%s\">%s</error>", xml(verdict[i]), xml(detail[i]), text
			else if (verdict[i] == "not reviewed")
				printf "<skipped message=\"%s\"/>", xml(detail[i])
			else if (advice[i] != "")
				printf "<system-out>%s</system-out>", xml(advice[i])
			print "</testcase>"
		}
		if (left) print "<system-out>" xml(tell_left_out()) "</system-out>"
		print "</testsuite>"
		print "</testsuites>"
	}

	BEGIN {
		while ((getline row < (work "/map")) > 0) {
			lines++
			match(row, /\t/)
			map_line[lines] = substr(row, 1, RSTART - 1) + 0
			map_file[lines] = clean(substr(row, RSTART + 1))
		}
		while ((getline row < (work "/left_out")) > 0) {
			match(row, /\t/)
			left_lines[++left] = substr(row, 1, RSTART - 1)
			left_file[left] = clean(substr(row, RSTART + 1))
		}
		RS = "\036"
		FS = "\037"
	}

	{
		for (i = 1; i <= NF; i++) $i = clean($i)
		sub(/\n$/, "", $8)
		sub(/\n$/, "", $1)
		if ($1 == "" || NF < 8) next
		if ($5 == "error") stopped = 1
		if (map_line[$2] <= 0) { seen[$2] = 1; next }		# our own
		n++
		statement[n] = $1
		file[n] = map_file[$2]
		line[n] = map_line[$2]
		if (!($1 in own)) {
			statements++
			own[$1] = ++count[file[n]]
			file_of[$1] = file[n]
			line_of[$1] = line[n]
		}
		number[n] = own[$1]
		command[n] = $3; target[n] = $4; verdict[n] = $5; reason[n] = $6; detail[n] = $7; advice[n] = $8
		if ($5 == "block") blocked++
		else if ($5 == "unknown") unknown++
		else if ($5 == "error") errors++
		else if ($5 == "not reviewed") { opaque++; if ($4 != "") unasked++ }
		else if ($5 == "delay") delayed++
	}

	# A row of our own where the server has not seen our statement.  Behind an error it may have stopped to look.
	function find_torn(   l) {
		for (l = 1; l <= lines && !stopped; l++) {
			if (map_line[l] >= 0 || seen[l]) continue
			n++; errors++
			file[n] = map_file[l]; line[n] = -map_line[l]; number[n] = 0
			verdict[n] = "error"; reason[n] = "syntax"
			detail[n] = "Here a file begins, another one is included, or the way down begins, but inside a comment, a string, a statement or data that began before: what follows was not judged."
			return
		}
	}

	END {
		find_torn()
		for (i = 1; i <= n; i++) {
			# a line in a message is one of the joined script
			while (match(detail[i], /line [0-9]+, column/)) {
				l = substr(detail[i], RSTART + 5, RLENGTH - 13)
				detail[i] = substr(detail[i], 1, RSTART - 1) "line \001" map_line[l] ", column" substr(detail[i], RSTART + RLENGTH)
			}
			gsub(/\001/, "", detail[i])
			if (verdict[i] == "error") sub(/^Statement [0-9]+, /, "Statement " number[i] ", ", detail[i])
			else detail[i] = translate(detail[i], file[i])
			advice[i] = translate(advice[i], file[i])
			if (command[i] ~ /^\\(i|ir|include|include_relative)([ \t]|$)/) detail[i] = "The file cannot be read."
		}
		status = blocked ? 1 : errors || unknown || unasked || (strict && opaque) ? 2 : 0
		if (format == "markdown") tell_markdown()
		else if (format == "json") tell_json()
		else if (format == "junit") tell_junit()
		else tell_text()
		exit status
	}' "$work/rows"
