# TimescaleDB: the chunks of a hypertable are children of it, in another schema, and what is dropped of the hypertable goes from
# them as well.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = guard_server('main', start => 0, preload => 'pg_stat_statements, guard, timescaledb', conf => "timescaledb.telemetry_level = off\n");
plan skip_all => 'timescaledb is not installed' unless -e $node->config_data('--pkglibdir') . '/timescaledb.so';
$node->start;
my $s = session($node);
$s->ok("CREATE EXTENSION $_") foreach 'guard', 'timescaledb';
$s->ok('CREATE TABLE m (at timestamptz NOT NULL, dev int, v float)');
$s->ok("SELECT create_hypertable('m', 'at', chunk_time_interval => interval '1 day')");
$s->ok("INSERT INTO m SELECT timestamptz '2026-01-01' + g * interval '1 minute', g % 500, g FROM generate_series(1, 20000) g");
$s->ok("CREATE INDEX $_") foreach 'm_dev ON m (dev)', 'm_v ON m (v)';
$s->ok('ANALYZE m');

# What others used is known when they have gone.
sub use_as_others
{
	my ($sql) = @_;
	my $other = session($node, 'auth');

	$other->ok('SET enable_seqscan = off');
	$other->ok($sql) foreach 1 .. 60;
	my $pid = $other->pid;
	$other->close;
	wait_until($s, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
}

sub indexes
{
	return $s->value("SELECT count(*) || ' of ' || (SELECT count(*) FROM show_chunks('m')) FROM pg_index WHERE indisvalid AND indrelid IN (SELECT show_chunks('m'))
		AND pg_get_indexdef(indexrelid) LIKE '%($_[0])'");
}

use_as_others('SELECT count(*) FROM m WHERE dev = 7');
my $chunks = $s->value("SELECT count(*) FROM show_chunks('m')");
ok($chunks > 10, "$chunks chunks");
is(verdict($s, 'm_dev'), 'block hot', 'guard.check() looks at the chunks');
isnt(verdict($s, 'm_v'), 'block hot', 'at those of this index');
refused($s->query('DROP INDEX m_dev'), qr/cannot drop index "public\.m_dev"/, 'the index of the hypertable stays');
refused($s->query('DROP INDEX CONCURRENTLY m_dev'), qr/cannot drop index "public\.m_dev"/, 'so it does CONCURRENTLY');
is(index_state($s, 'm_dev'), 'valid ready live', 'and is whole');
is(indexes('dev'), "$chunks of $chunks", 'as are those of the chunks');
passed($s->query('DROP INDEX m_v'), 'what nobody uses goes');
is(indexes('v'), "0 of $chunks", 'from the chunks, too');

# a new chunk has what the hypertable has
$s->ok("INSERT INTO m VALUES ('2026-03-01', 1, 1)");
$chunks++;
is(indexes('dev'), "$chunks of $chunks", 'a new chunk has the index');

# another index that does as well
$s->ok('CREATE INDEX m_dev_at ON m (dev, at)');
passed($s->query('DROP INDEX m_dev'), 'replaced on the hypertable and on each chunk');
refused($s->query('DROP INDEX m_dev_at'), qr/cannot drop index "public\.m_dev_at"/, 'its heir stays');

# retention, of one and of several
passed($s->query("SELECT drop_chunks('m', timestamptz '2026-01-02 12:00')"), 'a chunk goes');
passed($s->query("SELECT drop_chunks('m', timestamptz '2026-01-06')"), 'several at once');
refused($s->query('DROP TABLE m'), qr/cannot drop/, 'the hypertable is in use');

# the order of deployment: the code first, then the index
use_as_others('SELECT count(*) FROM m WHERE dev = 7');
$s->ok(q{SELECT guard.add_dependency('m_dev_at', 'auth', until_version => '2.0')});
refused($s->query('DROP INDEX m_dev_at'), qr/auth needs it until version 2\.0/, 'auth is still at work');
$s->ok(q{SELECT guard.report_deployment('auth', '2.0')});
passed($s->query('BEGIN; DROP INDEX m_dev_at; ROLLBACK'), 'its next version does without');

done_testing();
