# Whatever happens to an index, all that guard remembers of it happens to the same index.
#
# Rows are events, columns are memories.  Each memory has an index of its own on one table, t_<memory>; a row says what the event
# is and which memories are expected to say something else afterwards.  Events of one database come first, each in a schema of its
# own; then what is done with databases and servers, to the schema "whole".

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "wal_level = logical\nmax_wal_senders = 10\nmax_replication_slots = 10\nmax_logical_replication_workers = 8\nmax_worker_processes = 20\n"
  . "guard.min_evidence_age = '1h'\nguard.snapshot_interval = 0\nguard.whatif = off\nwal_retrieve_retry_interval = '100ms'\n";
my $node = guard_server('main', streaming => 'logical', initdb => 1, conf => $conf);
my $version = version_of($node);
my $dir = PostgreSQL::Test::Utils::tempdir;
my $s = session($node);

# ---- columns: the memory, what is remembered, and what it says

my @memories = (
	[ protected => "SELECT guard.protect('%1\$s.t_protected', 'mine')", 'protected' ],
	[ needed => "SELECT guard.add_dependency('%1\$s.t_needed', 'auth')", 'dependency' ],
	[ approved => "SELECT guard.protect('%1\$s.t_approved', 'mine'), guard.approve('%1\$s.t_approved', 'just once')", 'approved' ],
	[ hidden => "SELECT guard.hide('%1\$s.t_hidden')", 'hidden' ],
	[ used => "", 'hot' ],
	[ cold => "", 'cold' ],
	[ soft => "SELECT guard.add_dependency('%1\$s.t_soft', 'auth'); SET guard.hot_action = delay; DROP INDEX %1\$s.t_soft; RESET guard.hot_action", 'waiting' ],
);

# A text about a schema, or about one of the memories.
sub of
{
	my ($text, $what) = @_;

	$text =~ s/%(1\$)?s/$what/g;
	return $text;
}

sub remember
{
	my @schemas = @_;
	my $columns = join ', ', map { "c_$_->[0] int" } @memories;
	my $values = join ', ', ('g') x @memories;

	foreach my $schema (@schemas)
	{
		$s->ok("CREATE SCHEMA $schema; CREATE TABLE $schema.t ($columns, pad text)");
		$s->ok("INSERT INTO $schema.t SELECT $values, rpad('row ' || g, 80) FROM generate_series(1, 1000) g");
		$s->ok("CREATE INDEX t_$_->[0] ON $schema.t (c_$_->[0])") foreach @memories;
		$s->ok("ANALYZE $schema.t");
	}
	my $auth = session($node, 'auth');
	$auth->ok("SET enable_seqscan = off; SELECT pad FROM $_.t WHERE c_used = 42") foreach @schemas;
	$auth->close;
	foreach my $schema (@schemas)
	{
		$s->ok(of($_->[1], $schema)) foreach grep { $_->[1] } @memories;
	}
}

# What all memories say, in one line.  Where: the table, how its indexes are called ("t_%s"), how its columns ("c_%s").
sub memory
{
	my ($session, %where) = @_;
	my $table = $where{table};
	my ($schema) = split /\./, $table;
	my @says;

	$session->ok('SET enable_seqscan = off; SET enable_bitmapscan = off');
	foreach my $memory (map { $_->[0] } @memories)
	{
		my $index = "$schema." . of($where{indexes} // 't_%s', $memory);
		my $column = of($where{columns} // 'c_%s', $memory);
		my $says =
		    $memory eq 'hidden' ? (grep { $_->[0] =~ /Seq Scan/ } @{ $session->query("EXPLAIN SELECT pad FROM $table WHERE $column = 42")->{rows} }) ? 'hidden' : 'seen'
		  : $memory eq 'soft' ? $session->value("SELECT coalesce((SELECT state FROM guard.soft_drops WHERE current_name =
				(SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE i.indrelid = '$table'::regclass AND i.indisvalid AND c.relname ~ '^guard_drop_' LIMIT 1)), 'none')")
		  : $session->value("SELECT coalesce((SELECT c.reason FROM guard.check(to_regclass('$index')) c), 'no index')");

		push @says, "$memory=$says";
	}
	return join ' ', @says;
}

sub expected
{
	my %changed = @_;

	return join ' ', map { "$_->[0]=" . ($changed{ $_->[0] } // $_->[2]) } @memories;
}

sub remembers
{
	my ($session, $test, $where, %changed) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(memory($session, %$where), expected(%changed), $test);
}

# What can be had back is had back, under its own name.
sub restores
{
	my ($session, $table, $test) = @_;
	my $name = $session->value("SELECT c.oid::regclass FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
		WHERE i.indrelid = '$table'::regclass AND i.indisvalid AND c.relname ~ '^guard_drop_'");

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$session->value("SELECT guard.restore('$name')");
	is($session->value("SELECT count(*) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE i.indrelid = '$table'::regclass AND c.relname = 't_soft'"), 1, "$test: restored");
}

# REINDEX CONCURRENTLY that waits for another session, and does not come to its end.
sub interrupted
{
	my ($schema, $lock, $end) = @_;
	my ($holder, $builder) = (session($node), session($node));
	my $pid = $builder->value('SELECT pg_backend_pid()');

	$holder->ok('BEGIN');
	$holder->ok(of($lock, $schema));
	$builder->start("REINDEX TABLE CONCURRENTLY $schema.t");
	wait_until($s, "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted)");
	$s->ok("SELECT $end($pid)");
	wait_until($s, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND state = 'active')");
	$holder->close;
	# one that was killed has nobody to say good-bye to
	eval { $builder->close };
}
my ($before, $after) = ('INSERT INTO %s.t DEFAULT VALUES', 'LOCK TABLE %s.t IN ACCESS SHARE MODE');

# ---- rows: the event, in a database; where to look after it, and what is not as it was

my $renames = join '; ', map { "ALTER INDEX %1\$s.t_$_->[0] RENAME TO i_$_->[0]" } grep { $_->[0] ne 'soft' } @memories;
my $recolumns = join '; ', map { "ALTER TABLE %1\$s.t RENAME COLUMN c_$_->[0] TO d_$_->[0]" } @memories;
my $retypes = join ', ', map { "ALTER c_$_->[0] TYPE bigint" } @memories;
my @events = (
	[ nothing => '' ],
	[ index_renamed => $renames, { indexes => 'i_%s' } ],
	[ index_renamed_unseen => "SET guard.mode = off; $renames; RESET guard.mode", { indexes => 'i_%s' } ],
	[ table_renamed => 'ALTER TABLE %1$s.t RENAME TO u', { table => '%s.u' } ],
	[ schema_renamed => 'ALTER SCHEMA %1$s RENAME TO %1$s_2', { table => '%s_2.t' } ],
	[ moved => 'CREATE SCHEMA %1$s_2; ALTER TABLE %1$s.t SET SCHEMA %1$s_2', { table => '%s_2.t' } ],
	[ column_renamed => $recolumns, { columns => 'd_%s' } ],
	[ reindexed => 'REINDEX TABLE %1$s.t' ],
	[ reindexed_concurrently => 'REINDEX TABLE CONCURRENTLY %1$s.t' ],
	[ reindexed_unseen => "SET guard.mode = off; REINDEX TABLE CONCURRENTLY %1\$s.t; RESET guard.mode", {}, { cold => 'unknown', used => qr/hot|unknown/, soft => qr/waiting|none/ } ],
	[ reindex_cancelled_early => sub { interrupted($_[0], $before, 'pg_cancel_backend') } ],
	[ reindex_cancelled_late => sub { interrupted($_[0], $after, 'pg_cancel_backend') }, {}, { cold => qr/cold|unknown/ } ],
	[ reindex_killed_late => sub { interrupted($_[0], $after, 'pg_terminate_backend') }, {}, { cold => qr/cold|unknown/ } ],
	[ retyped => "ALTER TABLE %1\$s.t $retypes" ],
	[ clustered => 'CLUSTER %1$s.t USING t_cold' ],
	[ vacuumed => 'VACUUM FULL %1$s.t' ],
	[ truncated => 'TRUNCATE %1$s.t', {}, { used => 'harmless', cold => 'harmless' } ],
	[ rolled_back => "BEGIN; $renames; ALTER TABLE %1\$s.t RENAME TO u; SELECT guard.unhide('%1\$s.i_hidden'); SELECT guard.unprotect('%1\$s.i_protected'); ROLLBACK" ],
	[ twin => 'CREATE INDEX i_used ON %1$s.t (c_used); CREATE INDEX i_needed ON %1$s.t (c_needed); DROP INDEX %1$s.t_used; DROP INDEX %1$s.t_needed;'
		  . ' ALTER INDEX %1$s.i_used RENAME TO t_used; ALTER INDEX %1$s.i_needed RENAME TO t_needed' ],
	[ dropped_and_restored => "SET guard.hot_action = delay; DROP INDEX %1\$s.t_used; RESET guard.hot_action; SELECT guard.restore('%1\$s.t_used')" ],
	[ hidden_and_unhidden => "SELECT guard.hide('%1\$s.t_' || m), guard.unhide('%1\$s.t_' || m) FROM unnest(ARRAY['used', 'needed', 'protected']) m" ],
	[ attached => "CREATE TABLE %1\$s.p (LIKE %1\$s.t) PARTITION BY LIST (c_cold); CREATE INDEX ON %1\$s.p (c_used); ALTER TABLE %1\$s.p ATTACH PARTITION %1\$s.t DEFAULT" ],
	[ detached => "CREATE TABLE %1\$s.p (LIKE %1\$s.t) PARTITION BY LIST (c_cold); CREATE INDEX ON %1\$s.p (c_used); ALTER TABLE %1\$s.p ATTACH PARTITION %1\$s.t DEFAULT;"
		  . ' ALTER TABLE %1$s.p DETACH PARTITION %1$s.t' ],
	[ made_anew => 'DROP INDEX %1$s.t_cold; CREATE INDEX t_cold ON %1$s.t (c_cold)' ],
);

remember('whole', map { $_->[0] } @events);
foreach my $event (@events)
{
	my ($schema, $what, $where, $changed) = @$event;
	my %where = (table => of($where->{table} // '%s.t', $schema), map { $_ => $where->{$_} } grep { $_ ne 'table' } keys %{ $where // {} });
	my %changed = %{ $changed // {} };

	if (ref $what) { $what->($schema) }
	else { $s->ok($_) foreach split /; ?/, of($what, $schema) }
	# where both are right, what it says is what was expected
	my $says = memory($s, %where);
	foreach (grep { ref $changed{$_} } keys %changed)
	{
		my ($one) = $says =~ /\b$_=(\S+)/;
		$changed{$_} = $one =~ $changed{$_} ? $one : "$changed{$_}";
	}
	is($says, expected(%changed), $schema);
	is(memory($s, %where), expected(%changed), "$schema: after a snapshot") if $s->value('SELECT guard.snapshot()') eq 't';
	restores($s, $where{table}, $schema) if ($changed{soft} // 'waiting') eq 'waiting';
}
$s->ok('SELECT guard.snapshot()');
my %where = (table => 'whole.t');
remembers($s, 'what happened to the others', \%where);

# ---- a copy of the database: what was dumped holds, what was seen was seen elsewhere

my %restored = (approved => 'protected', hidden => 'seen', soft => 'none');
$s->close;
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
my $there = session($node, dbname => 'copy');
remembers($there, 'template copy', \%where, %restored, used => 'unknown', cold => 'unknown');
$there->ok('SELECT guard.snapshot()');
remembers($there, 'template copy, after a snapshot', \%where, %restored, used => 'unknown', cold => 'unknown');
$there->close;
$s = session($node);
remembers($s, 'and the original', \%where);

# ---- dump and restore

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
command_ok([ 'pg_dump', '-Fd', '-f', "$dir/dump", 'postgres' ], 'pg_dump');
$s->ok('CREATE DATABASE restored');
command_ok([ 'pg_restore', '-j', '2', '-d', 'restored', "$dir/dump" ], 'pg_restore -j');
$there = session($node, dbname => 'restored');
remembers($there, 'restored', \%where, %restored, used => 'cold');
$there->ok("SELECT guard.protect('whole.t_cold', 'there')");
command_ok([ 'pg_restore', '-j', '2', '-a', '-d', 'restored', "$dir/dump" ], 'pg_restore -j, into a database with data');
remembers($there, 'restored once more', \%where, %restored, used => 'cold', cold => 'protected');
$there->ok($_) foreach 'ALTER TABLE whole.t RENAME TO u', 'REINDEX TABLE CONCURRENTLY whole.u';
remembers($there, 'restored, renamed and rebuilt', { table => 'whole.u' }, %restored, used => 'cold', cold => 'protected');
$there->ok("SELECT guard.unprotect('whole.t_protected')");
is($there->value("SELECT reason FROM guard.check('whole.t_protected')"), 'cold', 'restored twice, taken back once');
$there->close;

# ---- logical replication of everything, both ways, to a replica made by the same script

my $far = guard_server('far', streaming => 'logical', initdb => 1, conf => $conf, extension => 0);
command_ok([ 'pg_restore', '-h', $far->host, '-p', $far->port, '-d', 'postgres', "$dir/dump" ], 'the same on another server');
$there = session($far);
my @both = ([ $s, $node, 'here' ], [ $there, $far, 'there' ]);
my $remembered = memory($there, %where);
is($remembered, expected(%restored, used => 'cold'), 'another server, by a dump');
foreach (@both)
{
	# what comes back of one's own would go round for ever
	$_->[0]->ok("CREATE TABLE public.news (id int, origin text); CREATE FUNCTION public.ours() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN IF NEW.origin = ''$_->[2]'' THEN RETURN NULL; END IF; RETURN NEW; END'");
	$_->[0]->ok('CREATE TRIGGER ours BEFORE INSERT ON public.news FOR EACH ROW EXECUTE FUNCTION public.ours(); ALTER TABLE public.news ENABLE REPLICA TRIGGER ours');
	$_->[0]->ok('CREATE TABLE public.twins (a int); CREATE INDEX twins_a ON public.twins (a); CREATE INDEX twins_a2 ON public.twins (a)');
	$_->[0]->ok($version >= 15 ? 'CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION schemas FOR TABLES IN SCHEMA guard, public, whole' : '');
}
$there->ok("CREATE SUBSCRIPTION from_here CONNECTION 'host=@{[$node->host]} port=@{[$node->port]} dbname=postgres' PUBLICATION everything WITH (copy_data = false)");
$s->ok("CREATE SUBSCRIPTION from_there CONNECTION 'host=@{[$far->host]} port=@{[$far->port]} dbname=postgres' PUBLICATION schemas WITH (copy_data = false)");
foreach (@both)
{
	$_->[0]->ok("DROP INDEX public.twins_a; SELECT guard.protect('public.twins_a2', 'both'); SELECT guard.snapshot()");
	$_->[0]->ok("INSERT INTO public.news VALUES (1, '" . ($_->[2] eq 'here' ? 'here, first' : 'there, first') . "')");
	$_->[0]->ok('UPDATE guard.protection SET reason = reason; DELETE FROM guard.audit_log WHERE false');
}
$s->ok("INSERT INTO public.news VALUES (2, 'here')");
$there->ok("INSERT INTO public.news VALUES (2, 'there')");
wait_until($there, "SELECT count(*) = 1 FROM public.news WHERE origin = 'here'");
wait_until($s, "SELECT count(*) = 1 FROM public.news WHERE origin = 'there'");
foreach (@both)
{
	is($_->[0]->value("SELECT count(*) FROM guard.protection WHERE index_name = 'twins_a2'"), 1, "replicated: registered once, $_->[2]");
	is($_->[0]->value("SELECT count(*) FROM guard.audit_log WHERE index_name ~ 'twins_a\$'"), 1, "replicated: one drop, $_->[2]");
}
remembers($s, 'replicated: here', \%where);
is(memory($there, %where), $remembered, 'replicated: there');
foreach (@both)
{
	my $name = $_->[0]->value('SELECT subname FROM pg_subscription');
	$_->[0]->ok("ALTER SUBSCRIPTION $name DISABLE");
	$_->[0]->ok("ALTER SUBSCRIPTION $name SET (slot_name = NONE)");
	$_->[0]->ok("DROP SUBSCRIPTION $name");
}
$there->close;
$far->stop('immediate');
$s->ok('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active');

# ---- a physical standby, its promotion, and what pg_createsubscriber makes of it

$node->backup('base');
my @standbys = map {
	my $standby = PostgreSQL::Test::Cluster->new($_);
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby
} 'standby', $version >= 17 ? 'created' : ();
$standbys[0]->start;
$node->wait_for_catchup($standbys[0], 'replay', $node->lsn('insert'));
$there = session($standbys[0]);
# what was not used here may have been used there, or meanwhile
my @elsewhere = (cold => 'unknown');
remembers($there, 'standby', \%where, @elsewhere);
$standbys[0]->promote;
wait_until($there, 'SELECT NOT pg_is_in_recovery()');
remembers($there, 'promoted', \%where, @elsewhere);
$there->ok('SELECT guard.snapshot()');
remembers($there, 'promoted, after a snapshot', \%where, @elsewhere);
restores($there, 'whole.t', 'promoted');
$there->close;
$standbys[0]->stop('immediate');
if ($version >= 17)
{
	my $created = $standbys[1];

	$created->start;
	$node->wait_for_catchup($created, 'replay', $node->lsn('insert'));
	$created->stop;
	command_ok(
		[
			'pg_createsubscriber', '--pgdata', $created->data_dir, '--publisher-server', $node->connstr('postgres'),
			'--socketdir', $created->host, '--subscriber-port', $created->port, '--database', 'postgres'
		],
		'pg_createsubscriber');
	$created->start;
	$there = session($created);
	$there->ok('SELECT guard.snapshot()');
	remembers($there, 'pg_createsubscriber', \%where, @elsewhere);
	restores($there, 'whole.t', 'pg_createsubscriber');
	$there->close;
	$created->stop('immediate');
}

# ---- to a point in time, before a change and after it

$node->backup('early');
$s->ok("SELECT pg_create_restore_point('before')");
$s->ok("SELECT guard.unprotect('whole.t_protected'); SELECT guard.unhide('whole.t_hidden')");
$s->ok("SELECT pg_create_restore_point('after')");
$s->ok("SELECT guard.protect('whole.t_protected', 'mine'); SELECT guard.hide('whole.t_hidden')");
foreach ([ before => () ], [ after => (protected => 'unknown', hidden => 'seen') ])
{
	my ($point, %changed) = @$_;
	my $back = PostgreSQL::Test::Cluster->new("back_$point");

	$back->init_from_backup($node, 'early', has_streaming => 1);
	$back->append_conf('postgresql.conf', "recovery_target_name = '$point'\nrecovery_target_action = promote\n");
	$back->start;
	$there = session($back);
	wait_until($there, 'SELECT NOT pg_is_in_recovery()');
	remembers($there, "a point in time, $point the change", \%where, @elsewhere, %changed);
	$there->close;
	$back->stop('immediate');
}

# ---- pg_upgrade, to a newer version, or from this one to itself

$s->ok('SELECT guard.snapshot()');
$s->ok($_) foreach 'DROP DATABASE copy', 'DROP DATABASE restored', 'DROP PUBLICATION everything, schemas';
$s->ok('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active');
$s->close;
$node->stop;
my $later = $ENV{GUARD_UPGRADE_TO};
# From 18 on initdb makes checksums, and pg_upgrade wants what the old ones have.
my @server = (start => 0, initdb => $later ? ['--no-data-checksums'] : 1, conf => $conf, install_path => $later);
my $upgraded = guard_server('copied', @server);
my $linked = guard_server('linked', @server);
foreach ([ $node, $upgraded, '--copy' ], [ $upgraded, $linked, '--link' ])
{
	my ($old, $new, $how) = @$_;

	chdir $dir or die "chdir: $!";
	command_ok(
		[
			($later ? "$later/bin/" : '') . 'pg_upgrade', '--no-sync', '-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'), '-d', $old->data_dir, '-D', $new->data_dir,
			'-s', $new->host, '-p', $old->port, '-P', $new->port, $how eq '--copy' ? () : $how
		],
		"pg_upgrade $how");
	$new->start;
	$s = session($new);
	remembers($s, "pg_upgrade $how", \%where, @elsewhere);
	$s->ok('SELECT guard.snapshot()');
	remembers($s, "pg_upgrade $how, after a snapshot", \%where, @elsewhere);
	next if $how eq '--link';
	$s->close;
	$new->stop;
}
restores($s, 'whole.t', 'pg_upgrade');

# ---- without guard, and with it again

$s->ok('DROP EXTENSION guard');
is($s->value("SELECT count(*) FROM pg_class WHERE relname ~ '^guard_drop_'"), 0, 'without guard: names are given back');
$s->ok('CREATE EXTENSION guard');
remembers($s, 'guard made anew', \%where, map { $_->[0] => $_->[0] eq 'hidden' ? 'seen' : $_->[0] eq 'soft' ? 'none' : 'unknown' } @memories);
$s->close;
$linked->stop;

done_testing();
