# bare.sh VERSION, in a tree with nothing but a PostgreSQL as Debian sets it up: the packages' life, from install to purge.
set -uo pipefail
. /host/test/packages/say.sh
version=$1
began=$SECONDS

sql() { runuser -u postgres -- psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
restart() { pg_ctlcluster "$version" main restart; }
# Whatever is on the disk but for what changes anyway.
files() {
	find / -xdev \( -path /proc -o -path /dev -o -path /tmp -o -path /out -o -path /host -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg \
		-o -path /var/lib/apt -o -path /var/lib/postgresql -o -path /run -o -path /var/run \) -prune -o -print | sort
}
apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"; }        # there is no network: nothing but the packages is taken

pg_ctlcluster "$version" main start
is_ok "the cluster runs" sql -c "SELECT 1"
files > /tmp/before

# ---- as the README has it

is_ok "apt install" apt install /out/postgresql-"$version"-guard_*.deb /out/guard-tools_*.deb
[ $failed = 0 ] || exit 1
is_ok "which changes nothing in a server that runs" test "$(sql -c 'SHOW shared_preload_libraries')" = ""
sql -c 'ALTER SYSTEM SET shared_preload_libraries = pg_stat_statements, guard'
restart
sql -c 'CREATE EXTENSION pg_stat_statements' -c 'CREATE EXTENSION guard'
is_ok "CREATE EXTENSION" test "$(sql -c "SELECT count(*) FROM pg_extension WHERE extname = 'guard'")" = 1
is_ok "a table with an index" sql -c 'CREATE TABLE orders AS SELECT g AS id, g AS customer FROM generate_series(1, 50000) g' \
	-c 'CREATE INDEX orders_customer ON orders (customer)' -c 'ANALYZE orders'
for i in $(seq 100); do echo "SELECT * FROM orders WHERE customer = $i;"; done | runuser -u postgres -- env PGAPPNAME=shop psql -XqAt -o /dev/null
refuses() { # NAME PATTERN: is it refused, with this in its message?
	local out
	! out=$(sql -c "DROP INDEX $1" 2>&1) && grep -E "$2" <<< "$out"
}
is_ok "a drop is refused, and says who needs the index" refuses orders_customer 'cannot drop index "public.orders_customer": guard sees shop use it'
is_ok "within two minutes" test $((SECONDS - began)) -lt 120
review() { # STATUS PATTERN DDL
	local status=0 out
	out=$(echo "$3" | runuser -u postgres -- guard_review --scratch=dbname=postgres 2>&1) || status=$?
	sql -c 'CREATE INDEX IF NOT EXISTS orders_customer ON orders (customer)'
	echo "$out"
	test $status = "$1" && grep -q "$2" <<< "$out"
}
is_ok "guard_review is in PATH, and blocks it" review 1 '^BLOCK' 'DROP INDEX orders_customer;'
is_ok "and nothing else" review 0 'nothing blocked' 'SELECT 1;'
profile() { runuser -u postgres -- guard_profile -d postgres > /tmp/profile.json && grep -q '"format": *"guard/profile/1"' /tmp/profile.json && grep -q orders_customer /tmp/profile.json; }
is_ok "guard_profile writes a profile" profile
report() { runuser -u postgres -- guard_report -d postgres > /tmp/report.html && grep -q orders_customer /tmp/report.html; }
is_ok "guard_report a page" report
is_ok "guard_load makes a load of the profile" runuser -u postgres -- guard_load make /tmp/profile.json --out /tmp/load --average -d postgres
for program in guard_review guard_profile guard_report guard_load; do
	is_ok "$program has a manual page" grep -q "^.TH ${program^^} 1" <(zcat "/usr/share/man/man1/$program.1.gz")
done
is_ok "so has guard" grep -q '^.TH guard 7' <(zcat /usr/share/man/man7/guard.7.gz)
is_ok "documents come with it" test -e "/usr/share/doc/postgresql-$version-guard/README.md.gz" -o -e "/usr/share/doc/postgresql-$version-guard/README.md"
is_ok "and what is for other programs, uncompressed" test -e /usr/share/doc/guard-tools/grafana/guard.json -a -e /usr/share/doc/guard-tools/ci/github-sql.yml
sql -c "SELECT guard.protect('orders_customer', 'from before')" > /dev/null

# ---- the same version, packaged once more

for package in "postgresql-$version-guard" guard-tools; do
	dpkg-deb -R /out/"$package"_*.deb "/tmp/$package"
	sed -i 's/^Version: .*/&.1/' "/tmp/$package/DEBIAN/control"
	dpkg-deb -b "/tmp/$package" /tmp > /dev/null
done
is_ok "apt install of a higher revision" apt install /tmp/postgresql-"$version"-guard_*.deb /tmp/guard-tools_*.deb
is_ok "takes its place" test "$(dpkg-query -W -f '${Version}' guard-tools | grep -c '\.1$')" = 1
is_ok "the server refuses as before, with the library that it has" refuses orders_customer 'from before'
restart
is_ok "and after its restart" refuses orders_customer 'from before'
is_ok "ALTER EXTENSION UPDATE has nothing to do" grep -q 'already installed' <(sql -c 'ALTER EXTENSION guard UPDATE' 2>&1)

# ---- away

sql -c 'DROP EXTENSION guard' -c 'DROP EXTENSION pg_stat_statements' -c 'DROP INDEX orders_customer' -c 'ALTER SYSTEM RESET shared_preload_libraries'
restart
is_ok "apt remove" apt remove "postgresql-$version-guard"
restart
is_ok "the server starts without it" test "$(sql -c 'SELECT count(*) FROM orders')" = 50000
is_ok "apt purge" apt purge guard-tools
dpkg --purge "postgresql-$version-guard"
files > /tmp/after
is_ok "purge leaves nothing" diff /tmp/before /tmp/after
is_ok "nor in the package database" fails grep -q . <(dpkg-query -W -f '${Package} ${Status}\n' '*guard*' 2> /dev/null | grep -v 'not-installed$')

# ---- the tool alone, on a machine that has no server

pg_ctlcluster "$version" main stop
apt purge "postgresql-$version" > /dev/null
is_ok "guard-tools without a server" apt install /out/guard-tools_*.deb
is_ok "of which there is none" fails test -e "/usr/lib/postgresql/$version/bin/postgres"
for program in guard_review guard_profile guard_report guard_load; do
	is_ok "$program says its version" test "$("$program" --version | wc -w)" = 2
done
is_ok "guard_profile writes its script for psql" grep -q pg_temp <(guard_profile sql)
is_ok "guard_review reaches nobody, and says so" review 2 'connect' 'SELECT 1;'
exit $failed
