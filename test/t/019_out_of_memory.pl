# Memory runs out at any moment of a statement: at worst the statement fails.  The next one works, and no transaction is left open
# by what guard does in passing.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs prlimit' if system('prlimit --version > /dev/null 2>&1') != 0;

my $node = guard_server('main', preload => 'guard', conf => <<'CONF');
guard.whatif_interval = 0
guard.whatif_time_limit = 1h
guard.mode = observe
autovacuum = off
restart_after_crash = off
CONF
my $s = session($node);

make_table($s, "t$_") foreach 1 .. 4;
$s->ok("CREATE UNIQUE INDEX t${_}_key ON t$_ (a, b)") foreach 1 .. 4;
my $auth = use_index($node, 't1');
my $n = 0;

# Another statement each time, so that it is planned, and once more.
sub wide
{
	my ($lists) = @_;

	$n++;
	return "SELECT count(*) AS n$n FROM t1 JOIN t2 USING (a) JOIN t3 USING (a) JOIN t4 USING (a) WHERE t1.a = $n AND t2.b IN ("
	  . join(', ', map { $_ + $n } 1 .. $lists) . ')';
}

my %statements = (
	'what-if' => sub { return wide(3000) },
	'what-if, small' => sub { return wide(10) },
	'judging' => sub { return 'BEGIN; DROP INDEX t1_a_idx; ROLLBACK' },
	'books' => sub { return 'BEGIN; CREATE INDEX other ON t2 (b); DROP INDEX other, t3_a_idx; ROLLBACK' },
	'check' => sub { return q{SELECT * FROM guard.check('t1_a_idx')} });

foreach my $name (sort keys %statements)
{
	my ($failed, $odd) = (0, '');

	for (my $spare = 200; $spare < 14_000; $spare = int($spare * 1.35))
	{
		my $session = session($node);

		$session->ok('SELECT 1');
		my ($pages) = split ' ', slurp_file("/proc/$session->{pid}/statm");
		my $limit = $pages * 4096 + $spare * 1024;
		system_or_bail('prlimit', "--pid=$session->{pid}", "--as=$limit:");
		my $r = $session->query($statements{$name}->());
		system_or_bail('prlimit', "--pid=$session->{pid}", '--as=unlimited:');
		$failed++ if $r->{error};
		if ($r->{error} && $r->{error}{S} =~ /FATAL|PANIC/)
		{
			# A session that could not even read its caches; PostgreSQL ends it in good order.
			$odd .= "$spare kB: $r->{error}{M}\n" if $r->{error}{M} =~ /unexpected state/;
			next;
		}
		my $next = $session->query($r->{status} eq 'I' ? 'SELECT 1' : 'ROLLBACK');
		$odd .= "$spare kB, after \"" . ($r->{error} ? $r->{error}{M} : 'no error') . "\": $next->{error}{M}\n" if $next->{error};
		$odd .= "$spare kB: state $next->{status}\n" if ($next->{status} // 'none') ne 'I';
		$next = $session->query('BEGIN; SELECT count(*) FROM t1 WHERE a = 5; COMMIT');
		$odd .= "$spare kB: then $next->{error}{M}\n" if $next->{error};
	}
	is($odd, '', "$name: after at most an error all goes on ($failed failed)");
}
unlike(slurp_file($node->logfile), qr/TRAP:|terminated by signal|PANIC:|unexpected state/, 'no process has gone');
$node->stop;
done_testing();
