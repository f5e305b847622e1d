# source.sh VERSION, in a tree: is what the README says to install enough for its Quick start, and is what is missing named?
set -uo pipefail
. /host/test/packages/say.sh
version=$1
pg_config=/usr/lib/postgresql/$version/bin/pg_config

cp -r /host /tmp/guard
cd /tmp/guard || exit 1
rm -rf .git .headers .built-for guard--*.sql guard_review guard_review.1 guard_profile guard_profile.1 guard_profile.sql guard_load guard_load.1 guard_report guard_report.1
find . -name '*.[od]' -delete

# Take away all but what the README names, the server, and what the programs are written in.
mapfile -t named < <(sed -n 's/^ *sudo apt install \(gcc .*-NN\) .*/\1/p' README.md | sed "s/NN/$version/g" | tr ' ' '\n')
is_ok "the README names packages: ${named[*]}" test ${#named[@]} -ge 4
apt-mark auto '.*' > /dev/null 2>&1
apt-mark manual "${named[@]}" "postgresql-$version" python3 apt guard-no-llvm > /dev/null
apt-get -q -y -o APT::AutoRemove::RecommendsImportant=false -o APT::AutoRemove::SuggestsImportant=false autoremove --purge
is_ok "nothing else is there" fails grep -q ' installed$' <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' debhelper build-essential g++)

tool() { make -s install-tools PREFIX=/tmp/tools PG_CONFIG=/nowhere && /tmp/tools/bin/guard_review --version && grep -q '^.TH GUARD_REVIEW' /tmp/tools/share/man/man1/guard_review.1; }
is_ok "make install-tools needs no PostgreSQL" tool

# missing WHAT DEBIAN RHEL PATH...: without these, make says one line with the names of the packages.
missing() {
	local what=$1 debian=$2 rhel=$3 path out
	shift 3
	for path; do mv "$path" "$path.away"; done
	out=$(make -s PG_CONFIG="$pg_config" 2>&1)
	for path; do mv "$path.away" "$path"; done
	echo "$out" | sed 's/^/	/'
	is_ok "without $what, one line names $debian and $rhel" \
		test "$(grep -v '^make' <<< "$out" | wc -l) $(grep -c "$debian .*$rhel" <<< "$out")" = "1 1"
}
missing gcc gcc gcc /usr/bin/gcc
missing stdio.h libc6-dev glibc-devel /usr/include/stdio.h
missing gssapi.h libkrb5-dev krb5-devel /usr/include/gssapi
missing postgres.h "postgresql-server-dev-$version" "postgresql$version-devel" "/usr/include/postgresql/$version/server/postgres.h"
pgxs=$($pg_config --pgxs)
mv "$pgxs" "$pgxs.away"
out=$(make -s PG_CONFIG=$pg_config 2>&1)
mv "$pgxs.away" "$pgxs"
echo "$out"
is_ok "without PGXS, one line" test "$(wc -l <<< "$out") $(grep -c "postgresql-server-dev-$version .*postgresql$version-devel" <<< "$out")" = "1 1"

quick_start() { make -s PG_CONFIG="$pg_config" && make -s install PG_CONFIG="$pg_config"; }
is_ok "make, make install" quick_start
is_ok "installs the library" test -e "$($pg_config --pkglibdir)/guard.so"
is_ok "and the one that reports" test -e "$($pg_config --pkglibdir)/guard_report.so"
is_ok "and the script" test -e "$($pg_config --sharedir)/extension/guard.control"
make -s uninstall PG_CONFIG="$pg_config"
is_ok "make uninstall leaves nothing" fails grep . <(find /usr -name 'guard.*' -o -name 'guard_*' -o -name 'guard--*')
exit $failed
