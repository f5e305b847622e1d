# Tables, indexes and statements drawn at random, and what guard says of each index held against a twin that it does not know:
# there the index is dropped, and each call is made again.
#
#	harmful		a call fails or does something else, or touches more than 5 times the buffers in more than 1.5 times the time
#	harmless	no call touches more than 1.3 times the buffers
#
# The same is done with a migration in the end: a copy that takes the table's name, a column that takes another's, one index in place
# of another, several at once.
#
# A harmful drop that guard would let go is a missed one; a harmless one that it would refuse is a false block, unless some call's
# estimated cost rises by more than guard.harmless_cost_ratio, which is what the documentation promises to refuse.
#
# JUDGE_SECS is how long (60), JUDGE_SEED the seed of the first scenario (1), each further one has the next; JUDGE_ONCE=1 plays one.

use strict;
use warnings FATAL => 'all';
use FindBin;
use lib $FindBin::Bin;
use GuardTest;
use JSON::PP;
use JudgeScenario;
use List::Util qw(max shuffle);
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{JUDGE_SECS} || 60;
my $seed = $ENV{JUDGE_SEED} || 1;
my @kinds = qw(harmful missed harmless false cost between);
my %count = map { $_ => 0, "script_$_" => 0 } @kinds;
my $node = guard_server('judge', preload => 'pg_stat_statements, guard', extension => 0,
	conf => "guard.snapshot_interval = 0\nguard.min_evidence_age = 0\nautovacuum = off\nfsync = off\nmax_parallel_workers_per_gather = 0\njit = off\n");
my $json = JSON::PP->new;
my $dba = session($node, 'dba');

sub database
{
	my ($name, @sql) = @_;

	$dba->ok("DROP DATABASE IF EXISTS $name WITH (FORCE)");
	$dba->ok("CREATE DATABASE $name");
	my $s = session($node, database => $name, application_name => 'dba');
	$s->ok($_) foreach @sql;
	return $s;
}

# Each service runs its calls, in an order of its own; writes are rolled back, so that every call meets the same rows.
sub run_traffic
{
	my ($scenario) = @_;
	my %by;

	push @{ $by{ $_->{service} } }, $_ foreach @{ $scenario->{statements} };
	foreach my $service (sort keys %by)
	{
		my $s = session($node, database => 'guarded', application_name => $service);
		my @statements = @{ $by{$service} };

		$s->ok($_) foreach $scenario->prepare(@statements);
		foreach my $call (shuffle map { my $one = $_; map { [ $one, $_ ] } @{ $one->{calls} } } @statements)
		{
			my $sql = $scenario->call(@$call);
			$s->ok($sql =~ /^SELECT/ || $call->[0]{text} =~ /^SELECT/ ? $sql : "BEGIN; $sql; ROLLBACK");
		}
		$s->close;
	}
}

# What a call costs and does in the twin, as it is now.
sub measure
{
	my ($s, $sql) = @_;
	my $r = $s->query("SAVEPOINT c; EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) $sql");

	if ($r->{error})
	{
		$s->ok('ROLLBACK TO c');
		return { error => $r->{error}{M} };
	}
	my $plan = $json->decode(join "\n", map { $_->[0] } @{ $r->{rows} })->[0];
	$s->ok('ROLLBACK TO c');
	my $top = $plan->{Plan};
	return {
		buffers => ($top->{'Shared Hit Blocks'} // 0) + ($top->{'Shared Read Blocks'} // 0),
		time => $plan->{'Execution Time'}, cost => $top->{'Total Cost'},
		does => join(' ', $top->{'Actual Rows'} // '', map { $top->{$_} // '' } 'Tuples Inserted', 'Conflicting Tuples') };
}

sub measure_all
{
	my ($s, $scenario) = @_;
	my %all;

	foreach my $one (@{ $scenario->{statements} })
	{
		my @calls = @{ $one->{calls} };
		# Those of a prepared statement in their order, since the first five make a plan of their own.
		$all{"$one->{name} " . $_} = measure($s, $scenario->call($one, $calls[$_])) foreach 0 .. (@calls > 25 ? 24 : $#calls);
	}
	return \%all;
}

# "harmful", "harmless" or "between", with the worst call.
sub truth
{
	my ($before, $after) = @_;
	my ($truth, $worst, $why, $dearer) = ('harmless', 0, '', 0);

	foreach my $call (sort keys %$before)
	{
		my ($b, $a) = ($before->{$call}, $after->{$call});
		next if $b->{error};
		return ('harmful', "$call fails: $a->{error}", 1) if $a->{error};
		return ('harmful', "$call does $a->{does}, not $b->{does}", 1) if $a->{does} ne $b->{does};
		my $ratio = ($a->{buffers} + 1) / ($b->{buffers} + 1);
		$dearer = max($dearer, $a->{cost} / ($b->{cost} || 1));
		($worst, $why) = ($ratio, sprintf '%s: %d -> %d buffers, %.2f -> %.2f ms, cost %.1f -> %.1f', $call, @{$b}{'buffers'}, @{$a}{'buffers'},
			$b->{time}, $a->{time}, $b->{cost}, $a->{cost}) if $ratio > $worst;
		$truth = 'between' if $ratio > 1.3 && $truth eq 'harmless';
		$truth = 'harmful' if $ratio > 5 && $a->{time} > 1.5 * $b->{time} && $a->{time} - $b->{time} > 0.05;
	}
	return ($truth, $why, $dearer);
}

# The migration, under guard and in the twin.
sub play_script
{
	my ($scenario, $guarded, $twin, $before) = @_;
	my $refused = '';
	my $script = join '; ', @{ $scenario->{script} };

	foreach my $sql (@{ $scenario->{script} })
	{
		my $error = $guarded->query($sql)->{error} or next;
		return "the migration fails: $error->{M}: $script" if $error->{C} ne '55006';
		$refused = "$error->{M}\n  $error->{D}";
		last;
	}
	$twin->ok($_) foreach @{ $scenario->{script} }, 'VACUUM (FULL, FREEZE, ANALYZE) t', 'VACUUM t', 'DEALLOCATE ALL';
	$twin->ok($_) foreach grep { !/^SET/ } $scenario->prepare(@{ $scenario->{statements} });
	$twin->ok('BEGIN');
	my ($truth, $why, $dearer) = truth($before, measure_all($twin, $scenario));
	$twin->ok('ROLLBACK');
	$count{"script_$truth"}++;
	if ($truth eq 'harmful' && !$refused)
	{
		$count{script_missed}++;
		return "MISSED, MIGRATION: $why: $script";
	}
	if ($truth eq 'harmless' && $refused)
	{
		$count{ $dearer > 1.1 ? 'script_cost' : 'script_false' }++;
		return "FALSE BLOCK, MIGRATION: $why, dearer by $dearer: $script\n  $refused" if $dearer <= 1.1;
	}
	return;
}

# Plays one scenario; returns what is wrong.
sub play
{
	my $scenario = JudgeScenario->new;
	my @wrong;
	my @setup = (@{ $scenario->{setup} }, 'VACUUM (FREEZE, ANALYZE) t');
	my $twin = eval { database('twin', @setup) } or return;         # a unique index that the rows do not allow
	my $guarded = database('guarded', 'CREATE EXTENSION pg_stat_statements', 'CREATE EXTENSION guard', @setup);

	run_traffic($scenario);
	$guarded->close;
	$guarded = session($node, database => 'guarded', application_name => 'migration');
	$twin->ok($_) foreach $scenario->prepare(@{ $scenario->{statements} });
	$twin->ok('BEGIN');
	my $before = measure_all($twin, $scenario);
	$twin->ok('ROLLBACK');
	foreach my $index (sort keys %{ $scenario->{indexes} })
	{
		my $r = $guarded->query("SELECT verdict, reason, detail FROM guard.check('$index')");
		my ($verdict, $reason, $detail) = @{ $r->{rows}[0] };

		$twin->ok("DEALLOCATE ALL; $_") foreach $scenario->prepare(@{ $scenario->{statements} }) ? 'SELECT 1' : ();
		$twin->ok($_) foreach grep { !/^SET/ } $scenario->prepare(@{ $scenario->{statements} });
		$twin->ok("BEGIN; $scenario->{indexes}{$index}");
		my ($truth, $why, $dearer) = truth($before, measure_all($twin, $scenario));
		$twin->ok('ROLLBACK');
		$count{$truth}++;
		if ($truth eq 'harmful' && $verdict eq 'allow')
		{
			$count{missed}++;
			push @wrong, "MISSED $index ($reason): $why\n  $detail";
		}
		elsif ($truth eq 'harmless' && $verdict eq 'block')
		{
			my $kind = $dearer > 1.1 ? 'cost' : 'false';
			$count{$kind}++;
			push @wrong, "FALSE BLOCK $index ($reason): $why, dearer by $dearer\n  $detail" if $kind eq 'false';
		}
	}
	push @wrong, play_script($scenario, $guarded, $twin, $before);
	$_->close foreach $guarded, $twin;
	return map { "$_\n" } @wrong ? (@wrong, map({ "  $_;" } @{ $scenario->{setup} }, @{ $scenario->{settings} }),
		map { "  $_->{service} " . @{ $_->{calls} } . ' x ' . ($_->{prepared} ? 'prepared ' : '') . $scenario->call($_, $_->{calls}[0]) .
			($_->{prepared} ? " of $_->{text}" : '') } @{ $scenario->{statements} }) : ();
}

my $end = time + $seconds;
do
{
	srand($seed);
	my @wrong = play();
	ok(!@wrong, 'seed ' . $seed++);
	diag(@wrong) if @wrong;
} while time < $end && !$ENV{JUDGE_ONCE};
diag('indexes: ', join ', ', map { "$count{$_} $_" } @kinds);
diag('migrations: ', join ', ', map { $count{"script_$_"} . " $_" } @kinds);

$dba->close;
$node->stop;
done_testing();
