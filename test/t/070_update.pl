# A database that was updated equals one that was made afresh, object by object, and keeps what people registered in it.
#
# Of every released version there is its frozen install script in src/sql/updates.  Until there is one, and to be sure that the
# comparison sees what it should, older versions are made up here: today's script, changed at its end, and what undoes that.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main');
my $s = session($node);
my $folder = $node->config_data('--sharedir') . '/extension';
plan skip_all => "$folder cannot be written" unless -w $folder;

my ($current) = slurp_file("$folder/guard.control") =~ /^default_version *= *'([^']*)'/m;
my $script = slurp_file("$folder/guard--$current.sql");
my @made;

END { unlink @made }

sub put
{
	my ($name, $text) = @_;

	push @made, "$folder/$name";
	append_to_file($made[-1], $text);
}

# What guard consists of in a database, a line for each property of each object.
my $catalog = <<'END';
WITH extension AS (SELECT oid FROM pg_extension WHERE extname = 'guard'),
member AS (
	SELECT classid, objid, (pg_identify_object(classid, objid, 0)).type || ' ' || (pg_identify_object(classid, objid, 0)).identity AS name
	FROM pg_depend, extension
	WHERE refclassid = 'pg_extension'::regclass AND refobjid = extension.oid AND deptype = 'e'),
relation AS (
	SELECT c.*, name FROM member JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid),
col AS (
	SELECT a.*, r.name || ' column ' || row_number() OVER (PARTITION BY attrelid ORDER BY attnum) || ' ' || attname AS name
	FROM relation r JOIN pg_attribute a ON attrelid = r.oid WHERE attnum > 0 AND NOT attisdropped),
-- Rights that were never granted and those that were granted to their owner alone are the same.
rights AS (
	SELECT name, 'pg_class'::regclass AS class, oid, relacl AS now, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner) AS without FROM relation
	UNION ALL SELECT name, classid, oid, proacl, acldefault('f', proowner) FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid
	UNION ALL SELECT name, classid, oid, nspacl, acldefault('n', nspowner) FROM member JOIN pg_namespace n ON classid = 'pg_namespace'::regclass AND n.oid = objid),
property (name, kind, value) AS (
	SELECT 'extension', 'extension', (SELECT concat_ws(' ', extversion, extrelocatable, extnamespace::regnamespace, extowner::regrole,
		(SELECT string_agg(c::regclass::text || coalesce(' ' || extcondition[n], ''), ', ' ORDER BY c::regclass::text)
		 FROM unnest(extconfig) WITH ORDINALITY AS u (c, n)))
		FROM pg_extension e WHERE e.oid = extension.oid) FROM extension
	UNION ALL SELECT name, 'comment', coalesce(obj_description(objid, (SELECT relname FROM pg_class WHERE oid = classid)), '-') FROM member
	UNION ALL SELECT name, 'rights', (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(coalesce(now, without)) a) FROM rights
	UNION ALL SELECT name, 'rights by the script', (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(coalesce(initprivs, without)) a)
		FROM rights LEFT JOIN pg_init_privs i ON classoid = class AND objoid = rights.oid AND objsubid = 0
	UNION ALL SELECT name, 'schema', nspowner::regrole::text
		FROM member JOIN pg_namespace n ON classid = 'pg_namespace'::regclass AND n.oid = objid
	UNION ALL SELECT name, 'function', concat_ws(' ', proowner::regrole, pg_get_functiondef(p.oid)) FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid
	UNION ALL SELECT name, 'relation', concat_ws(' ', relowner::regrole, relkind, relpersistence, relreplident, relrowsecurity, reloptions,
		CASE relkind WHEN 'v' THEN pg_get_viewdef(relation.oid) END) FROM relation
	UNION ALL SELECT name, 'column', concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attcollation::regcollation,
		attstorage, attcompression, nullif(attstattarget, -1), attacl, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum))
		FROM col LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	UNION ALL SELECT name || ' ' || conname, 'constraint', concat_ws(' ', convalidated, pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'))
		FROM relation r JOIN pg_constraint k ON conrelid = r.oid
	UNION ALL SELECT name || ' ' || indexrelid::regclass, 'index', concat_ws(' ', indisvalid, indisclustered, indisreplident, pg_get_indexdef(indexrelid),
		obj_description(indexrelid, 'pg_class')) FROM relation r JOIN pg_index ON indrelid = r.oid
	UNION ALL SELECT name || ' ' || tgname, 'trigger', concat_ws(' ', tgenabled, pg_get_triggerdef(t.oid)) FROM relation r JOIN pg_trigger t ON tgrelid = r.oid
		WHERE NOT tgisinternal
	UNION ALL SELECT name || ' ' || polname, 'policy', concat_ws(' ', polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid),
		pg_get_expr(polwithcheck, polrelid)) FROM relation r JOIN pg_policy ON polrelid = r.oid
	UNION ALL SELECT name || ' ' || rulename, 'rule', concat_ws(' ', ev_enabled, pg_get_ruledef(u.oid)) FROM relation r JOIN pg_rewrite u ON ev_class = r.oid
	UNION ALL SELECT name, 'sequence', concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)
		FROM relation r JOIN pg_sequence ON seqrelid = r.oid
	UNION ALL SELECT name, 'event trigger', concat_ws(' ', evtevent, evtenabled, evttags, evtfoid::regprocedure, evtowner::regrole)
		FROM member JOIN pg_event_trigger e ON classid = 'pg_event_trigger'::regclass AND e.oid = objid
	UNION ALL SELECT name, 'type', concat_ws(' ', typtype, typnotnull, typdefault, format_type(typbasetype, typtypmod),
		(SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
		FROM member JOIN pg_type t ON classid = 'pg_type'::regclass AND t.oid = objid
	UNION ALL SELECT relname, 'stranger in the schema', relkind::text FROM pg_class WHERE relnamespace = 'guard'::regnamespace AND relkind NOT IN ('i', 'I', 't')
		AND oid NOT IN (SELECT oid FROM relation)
)
SELECT concat_ws(' | ', name, kind, regexp_replace(value, '\s+', ' ', 'g')) FROM property ORDER BY 1
END

# The catalog of a new database, in which "by" made the extension.
my $databases = 0;

sub database
{
	my (@by) = @_;
	my $name = 'd' . ++$databases;

	$s->ok("CREATE DATABASE $name");
	my $session = session($node, dbname => $name);
	$session->ok($_) foreach @by;
	return $session;
}

sub catalog
{
	my ($session) = @_;

	return [ map { $_->[0] } @{ $session->ok($catalog)->{rows} } ];
}

# The lines that only one of two has.
sub difference
{
	my ($left, $right) = @_;
	my %count;

	$count{$_}++ foreach @$left;
	$count{$_}-- foreach @$right;
	return [ map { ($count{$_} > 0 ? '- ' : '+ ') . $_ } grep { $count{$_} } sort keys %count ];
}

my $fresh = catalog(database('CREATE EXTENSION guard'));
cmp_ok(scalar(@$fresh), '>', 300, 'a fresh database has objects of guard');
is_deeply(difference(catalog(database('CREATE EXTENSION guard')), $fresh), [], 'two fresh ones are equal');

# ---- made-up versions

# The statements of today's script that name an object.
sub statements
{
	my ($pattern) = @_;

	return join '', map { "$_;\n" } grep { /$pattern/ } split /;\n/, $script;
}

my $sql_id = statements(qr/^CREATE FUNCTION guard\.sql_id\(\)/m);
$sql_id =~ s/.*CREATE FUNCTION/CREATE OR REPLACE FUNCTION/s;
like($sql_id, qr/^CREATE OR REPLACE FUNCTION guard\.sql_id\(\)/, 'the script says which SQL it is');

# name, how it was, how an update brings it to where it is
my @changes = (
	[ 'a function came', 'DROP FUNCTION guard.test_alert()', statements(qr/ON FUNCTION guard\.test_alert\(\)|FUNCTION guard\.test_alert\(\) RETURNS/) ],
	[ 'a function went', "CREATE FUNCTION guard.gone() RETURNS int LANGUAGE sql AS 'SELECT 1'", 'DROP FUNCTION guard.gone()' ],
	[ 'a column went', 'ALTER TABLE guard.protection ADD COLUMN gone text', 'ALTER TABLE guard.protection DROP COLUMN gone' ],
	[ 'a constraint went', 'ALTER TABLE guard.protection ADD CHECK (true)', 'ALTER TABLE guard.protection DROP CONSTRAINT protection_check' ],
	[ 'an index went', 'CREATE INDEX gone ON guard.protection ((1))', 'DROP INDEX guard.gone' ],
	[ 'a right came', 'REVOKE ALL ON guard.status FROM PUBLIC', 'GRANT SELECT ON guard.status TO PUBLIC' ],
	[ 'a right went', 'GRANT SELECT ON guard.protection TO PUBLIC', 'REVOKE ALL ON guard.protection FROM PUBLIC' ],
	[ 'an option came', 'ALTER VIEW guard.status RESET (security_barrier)', 'ALTER VIEW guard.status SET (security_barrier)' ],
	[ 'a comment changed', "COMMENT ON VIEW guard.status IS 'older'", statements(qr/^COMMENT ON VIEW guard\.status\b/m) ],
	[ 'a trigger became stricter', 'ALTER EVENT TRIGGER guard_sql_drop ENABLE', 'ALTER EVENT TRIGGER guard_sql_drop ENABLE ALWAYS' ],
	[ 'a default went', 'ALTER TABLE guard.protection ALTER COLUMN reason SET DEFAULT 1', 'ALTER TABLE guard.protection ALTER COLUMN reason DROP DEFAULT' ]);

my $number = 0;

# Make a version up; the name of it.
sub older
{
	my (@of) = @_;
	my $version = '0.' . ++$number;
	my $text = $script;

	$text =~ s/^(AS 'SELECT '')\d+(''::pg_catalog\.text')/${1}older$2/m or die 'no identity of the SQL';
	put("guard--$version.sql", $text . join '', map { "$_->[1];\n" } @of);
	put("guard--$version--$current.sql", join '', map { ($_->[2] =~ s/;?\s*\z//r) . ";\n" } @of, [ undef, undef, $sql_id ]);
	return $version;
}

# Its identity and its number always differ.
sub beside_identity { return [ grep { !/sql_id|^. extension \|/ } @{ $_[0] } ] }

foreach my $change (@changes)
{
	my $version = older($change);
	my $session = database("CREATE EXTENSION guard VERSION '$version'");

	cmp_ok(scalar @{ beside_identity(difference($fresh, catalog($session))) }, '>', 0, "$change->[0]: the comparison sees it");
	$session->ok('ALTER EXTENSION guard UPDATE');
	is_deeply(difference($fresh, catalog($session)), [], "$change->[0]: updated, it is as a fresh one");
	$session->close;
}

# ---- all at once, and what was registered holds

sub as_fresh
{
	my ($session, $name) = @_;

	$session->ok('ALTER EXTENSION guard UPDATE');
	is_deeply(difference($fresh, catalog($session)), [], "$name: updated, it is as a fresh one");
	make_table($session, 'young');
	$session->ok("SELECT guard.protect('young_a_idx', 'works')");
	refused($session->query('DROP INDEX young_a_idx'), qr/protects it for \w+: works/, "$name: and works at once, in the same session");
}

as_fresh(database("CREATE EXTENSION guard VERSION '" . older(@changes) . "'"), 'all changes');

# An older version in which somebody had registered something: today's, turned back by hand.
my @back = grep { $_->[0] =~ /^(a right|a comment|an option|a trigger|a default)/ } @changes;
my $version = older(@back);
my $kept = database('CREATE EXTENSION guard');
make_table($kept, 't');
$kept->ok("SELECT guard.protect('t_a_idx', 'from before')");
$kept->ok($sql_id =~ s/\d{5,}/older/r);
$kept->ok("$_->[1]") foreach @back;
$kept->ok("UPDATE pg_extension SET extversion = '$version' WHERE extname = 'guard'");
as_fresh($kept, 'with rows');
refused($kept->query('DROP INDEX t_a_idx'), qr/protects it for \w+: from before/, 'a protection from before the update holds');

# ---- released versions

foreach my $file (glob 'src/sql/updates/guard--*.sql')
{
	my ($released) = basename($file) =~ /^guard--((?:(?!--).)*)\.sql$/ or next;

	# Until default_version has the next number, a change in src/sql would be one of a script that people have installed.
	ok(slurp_file($file) eq $script, "$released is frozen, and what is installed is what was frozen (else: make release, or the next version)")
	  if $released eq $current;
	put("guard--$released.sql", slurp_file($file)) unless -e "$folder/guard--$released.sql";
	as_fresh(database("CREATE EXTENSION guard VERSION '$released'"), "released $released");
}

done_testing();
