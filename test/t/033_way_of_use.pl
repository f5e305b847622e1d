# What a crash takes along is by which name statements came, their table's or a view's: until they come again that is unknown, and
# what may be asked for is asked.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use Test::More;

my $node = guard_server('main', conf => "restart_after_crash = on\nguard.snapshot_interval = 0\n");
my $s = session($node);

sub fill { $s->ok("INSERT INTO $_[0] (id, email, team) SELECT g, 's' || g, g % 100 FROM generate_series(1, 5000) g") }

sub use_it
{
	my ($sql) = @_;
	my $user = session($node, 'auth');
	my $pid = $user->pid;

	$user->ok('SET enable_seqscan = off');
	$user->ok($sql);
	$user->close;
	wait_until($s, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
}

foreach my $table (qw(t served lacking other copy by_name))
{
	$s->ok("CREATE TABLE $table (team int, id int, email text)");
	fill($table);
	$s->ok("CREATE INDEX ${table}_email ON $table (email)") if $table !~ /lacking|other|copy/;
}
$s->ok("CREATE VIEW $_ AS SELECT id, email FROM t") foreach qw(v idle);
use_it("SELECT count(*) FROM v WHERE email = 's17'");
use_it("SELECT count(*) FROM by_name WHERE email = 's17'");
is($s->value('SELECT guard.snapshot()'), 't', 'a snapshot');
$s->close;
$node->stop('immediate');
$node->start;
$s = session($node);
is(verdict($s, "${_}_email"), 'block hot', "$_ is in use") foreach qw(t by_name);

# What takes the view's place serves, or lacks it; what has to do with neither.
$s->ok("SET guard.unknown_action = block");
foreach my $to ('block', 'auto')
{
	my $r = $s->query("CREATE OR REPLACE VIEW v AS SELECT id, email FROM served");
	ok(!$r->{error}, "unknown_action = $to: a view may lead to what serves") or diag($r->{error}{M});
	is(scalar(@{ $r->{notices} // [] }), 0, 'without a word');
	$s->ok('CREATE OR REPLACE VIEW v AS SELECT id, email FROM t');
	$s->ok("SET guard.unknown_action = $to");
}
$s->ok("SET guard.unknown_action = block");
refused($s->query('CREATE OR REPLACE VIEW v AS SELECT id, email FROM lacking'), qr/cannot leave public.v without an index like "public.t_email"/, 'not to what lacks it');
refused($s->query('BEGIN; ALTER TABLE by_name RENAME TO by_name_old; ALTER TABLE copy RENAME TO by_name; COMMIT'),
	qr/cannot leave public.by_name without an index like "public.by_name_email"/, 'nor does a name');
$s->query('ROLLBACK');
ok(!$s->query('CREATE VIEW further AS SELECT id FROM t')->{error}, 'a view more harms nobody');
ok(!$s->query('DROP VIEW idle')->{error}, 'nor one less');
ok(!$s->query('ALTER TABLE other RENAME TO others')->{error}, 'nor what nobody reads');
refused($s->query('DROP INDEX t_email'), qr/cannot drop index "public.t_email"/, 'the index stays');

# By whom it comes from now on is known again.
use_it("SELECT count(*) FROM v WHERE email = 's17'");
refused($s->query('CREATE OR REPLACE VIEW v AS SELECT id, email FROM lacking'), qr/cannot leave public.lacking without|cannot leave public.v without/, 'and what came again is asked for by its name');

$s->close;
$node->stop;
done_testing();
