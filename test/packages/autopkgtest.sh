# autopkgtest.sh VERSION, in a tree with the means to build: what debian/tests holds, of the installed packages.
set -uo pipefail
. /host/test/packages/say.sh

is_ok "installed" apt-get -q -y install /out/*.deb
cp -r /host /tmp/guard
cd /tmp/guard || exit 1
rm -rf .git .headers .built-for guard--*.sql
find . -name '*.[od]' -delete
mkdir /tmp/home
chown -R nobody /tmp/guard /tmp/home
for test in smoke installcheck; do
	is_ok "debian/tests/$test" setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/tmp/home AUTOPKGTEST_TMP=/tmp/home \
		PG_SUPPORTED_VERSIONS="$1" "debian/tests/$test"
done
exit $failed
