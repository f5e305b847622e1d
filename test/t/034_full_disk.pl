# The disk is full: what guard cannot write down costs no verdict.  A drop passes, or fails for want of room as PostgreSQL's own
# work does; whatever it does, the last index that serves the traffic is not called unused, then or when there is room again, after
# a snapshot that could not be written, or after a crash.

use strict;
use warnings FATAL => 'all';
use GuardTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $shim = PostgreSQL::Test::Utils::tempdir_short() . '/full.so';
system('gcc', '-shared', '-fPIC', '-O1', '-o', $shim, 'test/full_disk/full.c', '-ldl') == 0
	or plan skip_all => 'no C compiler makes a shared library here';

my $flag = PostgreSQL::Test::Utils::tempdir_short() . '/full';
my $node = guard_server('main', preload => 'guard', start => 0, conf => "guard.snapshot_interval = 0\nautovacuum = off\n");

sub start
{
	local $ENV{LD_PRELOAD} = $shim;
	local $ENV{GUARD_FULL_DISK} = $flag;
	$node->start;
}

sub disk
{
	my ($full) = @_;

	if ($full) { append_to_file($flag, '') }
	else { unlink $flag or die "$flag: $!" }
}

start();
my $s = session($node);
$s->ok('CREATE EXTENSION guard');

# An error that says that there is no room, or none.
sub fits
{
	my ($sql, $test) = @_;
	my $r = $s->query($sql);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(!$r->{error} || $r->{error}{C} eq '53100', $test) || diag($r->{error}{M});
	$s->query('ROLLBACK');
	return !$r->{error};
}

sub last_one
{
	my ($index, $test) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(verdict($s, $index), 'block hot', "$test: hot");
	refused($s->query("DROP INDEX $index"), qr/cannot drop index "public.$index"/, "$test: refused");
}

$s->ok('CREATE TABLE wall (a text)');
disk(1);
failed($s->query("INSERT INTO wall SELECT repeat(md5(g::text), 200) FROM generate_series(1, 10000) g"), '53100', qr/No space left/, 'the disk is full');
disk(0);

my $n = 0;
foreach my $drop ('DROP INDEX %t_a_idx', 'DROP INDEX CONCURRENTLY %t_a_idx', 'BEGIN; DROP INDEX %t_a_idx; COMMIT',
	'BEGIN; SAVEPOINT s; DROP INDEX %t_a_idx; RELEASE s; COMMIT', "DO \$\$ BEGIN DROP INDEX %t_a_idx; END \$\$")
{
	foreach my $after ('nothing', 'a snapshot on the full disk', 'a crash')
	{
		my $t = 't' . ++$n;
		my $sql = $drop =~ s/%t/$t/gr;

		make_table($s, $t);
		use_index($node, $t)->close;
		$s->ok("CREATE INDEX ${t}_twin ON $t (a)");
		# Two snapshots: what a crash may lose is a thing of its own (033_chain).
		$s->ok('SELECT guard.snapshot()') if $after eq 'a crash';
		disk(1);
		fits($sql, "$sql");
		my $left = index_state($s, "${t}_a_idx") eq 'gone' ? "${t}_twin" : "${t}_a_idx";
		last_one($left, "$sql, on the full disk") if $left =~ /twin/;
		fits('SELECT guard.snapshot()', 'a snapshot') if $after =~ /snapshot/;
		disk(0);
		if ($after eq 'a crash')
		{
			$s->close;
			$node->stop('immediate');
			start();
			$s = session($node);
		}
		$s->query("DROP INDEX ${t}_a_idx") if $left !~ /twin/;
		last_one("${t}_twin", "$sql, $after");
		$s->ok('SELECT guard.snapshot()');
		$s->ok('SELECT guard.snapshot()');
		last_one("${t}_twin", "$sql, $after, and two snapshots later");
	}
}

# One that nobody used is not hot for that; and in observe, where PostgreSQL alone would drop, it drops.
make_table($s, $_) foreach 'idle', 'seen';
use_index($node, 'seen')->close;
disk(1);
passed($s->query('DROP INDEX idle_a_idx'), 'one that nobody used goes');
$s->ok('SET guard.mode = observe');
passed($s->query('DROP INDEX seen_a_idx'), 'in observe one in use goes, too');
disk(0);

done_testing();
