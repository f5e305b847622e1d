# Tables, indexes and statements drawn at random, and what guard says of each index held against a twin that it does not know:
# there the index is dropped, and each call is made again.
#
#	harmful		a call fails, takes 5 seconds, does something else, touches more than 5 times the buffers in more than 1.5 times the time, or
#			takes 5 times the time
#	harmless	no call touches more than 1.3 times the buffers
#
# What nobody would notice is not harmful: up to 50 buffers and a fifth of a millisecond more, which is about what guard calls a trifle.
#
# The same is done with a migration in the end: a copy that takes the table's name, a column that takes another's, one index in place
# of another, several at once, partitions and views, moves by schema.
#
# A harmful drop that guard would let go is a missed one; a harmless one that it would refuse is a false block, unless some call's
# estimated cost rises by more than guard.harmless_cost_ratio and than a trifle, or a session plans under settings of its own: that
# is what the documentation promises to refuse.
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
my @kinds = qw(harmful missed harmless false cost own between);
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
	$s->close;
	return session($node, database => $name, application_name => 'dba');
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

		$s->ok($scenario->{own}{$service}) if $scenario->{own}{$service};
		$s->query($_) foreach $scenario->prepare(@statements);
		foreach my $call (shuffle map { my $one = $_; map { [ $one, $_ ] } @{ $one->{calls} } } @statements)
		{
			my $sql = $scenario->call(@$call);
			$s->query($call->[0]{text} =~ /^SELECT/ ? $sql : "BEGIN; $sql");
			$s->query('ROLLBACK') if $call->[0]{text} !~ /^SELECT/;
		}
		$s->close;
	}
}

# What a plan does, whatever its indexes are called and its costs are; nor does it matter which of its names a table has by now.
sub shape
{
	my ($plan) = @_;

	return join ' ', ($plan->{'Relation Name'} // '') =~ s/^t_(old|new|base)$/t/r,
		map({ $plan->{$_} // '' } 'Node Type', 'Join Type', 'Strategy', 'Index Cond', 'Filter'),
		map({ '(' . shape($_) . ')' } @{ $plan->{Plans} // [] });
}

# How often a plan reads a table from end to end.
sub seqscans
{
	my ($plan) = @_;
	my $count = $plan->{'Node Type'} eq 'Seq Scan' ? 1 : 0;

	$count += seqscans($_) foreach @{ $plan->{Plans} // [] };
	return $count;
}

# What a call costs and does in the twin, as it is now.
sub measure
{
	my ($s, $one, $sql, $own) = @_;
	my $explain = $one->{text} =~ /^REFRESH/ ? '' : 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ';
	my $scans = $one->{text} =~ /^SELECT/ ? '' : q{SELECT sum(pg_stat_get_xact_numscans(oid)) FROM pg_class WHERE relname IN ('t', 'o')};
	my $read = $scans && $s->value($scans);
	my $r = $s->query('SAVEPOINT c; ' . ($own ? "$own; " : '') . $explain . $sql);

	$s->ok('ROLLBACK TO c');
	$read = $scans && $s->value($scans) - $read;
	return { error => $r->{error}{M} } if $r->{error};
	# PostgreSQL 15 writes some plans of MERGE in a JSON that is none.
	my $plan = $explain ? eval { $json->decode(join "\n", map { $_->[0] } @{ $r->{rows} })->[0] } : undef;
	return { buffers => 0, time => 0, cost => 0, does => '', seqscans => 0, shape => '', read => 0 } unless $plan;
	my $top = $plan->{Plan};
	return {
		buffers => ($top->{'Shared Hit Blocks'} // 0) + ($top->{'Shared Read Blocks'} // 0),
		time => $plan->{'Execution Time'}, cost => $top->{'Total Cost'}, seqscans => seqscans($top),
		shape => shape($top), read => $read || 0,
		does => join(' ', $top->{'Actual Rows'} // '', map { $top->{$_} // '' } 'Tuples Inserted', 'Conflicting Tuples') };
}

# All calls, those that write last, for what they leave dead is in the way of the others until it is vacuumed away.  A time that
# looks bad beside the one of "before" is measured again: the machine may have been busy.
sub measure_all
{
	my ($s, $scenario, $before) = @_;
	my (%all, %unprepared);

	$s->ok('DEALLOCATE ALL');
	foreach my $one (@{ $scenario->{statements} })
	{
		$s->ok('SAVEPOINT p');
		my ($prepare) = $scenario->prepare($one) or next;
		my $error = $s->query($prepare)->{error} or next;
		$s->ok('ROLLBACK TO p');
		$unprepared{ $one->{name} } = { error => $error->{M} };
	}
	foreach my $one (sort { ($a->{text} !~ /^SELECT/) <=> ($b->{text} !~ /^SELECT/) } @{ $scenario->{statements} })
	{
		my @calls = @{ $one->{calls} };
		my $own = ($scenario->{own}{ $one->{service} } // '') =~ s/^SET /SET LOCAL /r;

		# Those of a prepared statement in their order, since the first five make a plan of their own.
		my $last = @calls > 12 ? 11 : $#calls;
		my @again = map { [ $s, $one, $scenario->call($one, $_), $own ] } @calls[ 0 .. $last ];
		$all{"$one->{name} $_"} = $unprepared{ $one->{name} } // measure(@{ $again[$_] }) foreach 0 .. $last;
		foreach my $n (0 .. $last)
		{
			my $m = $all{"$one->{name} $n"};
			my $b = $before ? $before->{"$one->{name} $n"} : $m;

			for (1 .. 6)
			{
				last if $m->{error} || $b->{error} || ($before && $m->{time} < 4 * $b->{time} + 0.5);
				my $time = measure(@{ $again[$n] })->{time} // 0;
				$m->{time} = $time if $time < $m->{time};
				last unless $before;
			}
		}
	}
	return \%all;
}

# The same in a transaction that "sql" begins, undone afterwards.
sub measure_undone
{
	my ($twin, $scenario, $before, $sql) = @_;

	$twin->ok('BEGIN');
	my $r = $twin->query($sql // 'SELECT 1');
	my $all = $r->{error} ? undef : measure_all($twin, $scenario, $before);
	$twin->ok('ROLLBACK');
	$twin->ok("VACUUM (FREEZE, ANALYZE, INDEX_CLEANUP ON) $_") foreach grep { $scenario->{writes} } @{ $scenario->{tables} };
	return $all;
}

# "harmful", "harmless" or "between", with the worst call; how much dearer by the planner's own estimate the worst call is, as a
# factor and, where no table is read instead, in units; and whether some call is too fast for the time to say anything.
sub truth
{
	my ($before, $after, $creates) = @_;
	my ($truth, $worst, $why, $dearer, $units) = ('harmless', 0, '', 0, 0);

	foreach my $call (sort keys %$before)
	{
		my ($b, $a) = ($before->{$call}, $after->{$call});
		next if $b->{error};
		return ('harmful', "$call fails: $a->{error}", 1, 0) if $a->{error};
		return ('harmful', "$call does $a->{does}, not $b->{does}", 1, 0) if $a->{does} ne $b->{does};
		my $ratio = ($a->{buffers} + 1) / ($b->{buffers} + 1);
		# The same plan takes the same time, unless triggers read a table from end to end.
		my $same = $a->{shape} eq $b->{shape} && $ratio < 1.3 && $a->{read} <= $b->{read};
		my $slower = $a->{time} > 5 * $b->{time} && $a->{time} - $b->{time} > 1 && !$same;
		$dearer = max($dearer, $a->{cost} / ($b->{cost} || 1));
		$units = max($units, $a->{seqscans} > $b->{seqscans} ? 1e9 : $a->{cost} - $b->{cost});
		($worst, $why) = ($ratio, sprintf '%s: %d -> %d buffers, %.2f -> %.2f ms, cost %.1f -> %.1f', $call, @{$b}{'buffers'}, @{$a}{'buffers'},
			$b->{time}, $a->{time}, $b->{cost}, $a->{cost}) if $ratio > $worst || $slower;
		$truth = 'between' if $ratio > 1.3 && $truth eq 'harmless';
		# PostgreSQL prefers an index that it believes to be cheaper: to what was there before as well.
		next if $creates && $a->{cost} < $b->{cost};
		$truth = 'harmful' if $slower ||
			($ratio > 5 && $a->{time} > 1.5 * $b->{time} && $a->{time} - $b->{time} > 0.05 &&
				($a->{buffers} - $b->{buffers} > 50 || ($a->{buffers} - $b->{buffers} > 15 && $a->{time} - $b->{time} > 0.2)));
	}
	return ($truth, $why, $dearer, $units);
}

# Is a call of those that were not measured dearer without the index, by the planner's estimate?
sub dearer_elsewhere
{
	my ($twin, $scenario, $drop) = @_;
	my @costs;

	$twin->ok('BEGIN');
	foreach my $round (0, 1)
	{
		$twin->ok('DEALLOCATE ALL');
		$twin->ok($drop) if $round;
		foreach my $one (grep { $_->{text} =~ /^SELECT/ } @{ $scenario->{statements} })
		{
			$twin->ok($_) foreach $scenario->prepare($one);
			push @{ $costs[$round] }, map { $json->decode(join "\n", map { $_->[0] } @{ $twin->query('EXPLAIN (FORMAT JSON) ' . $scenario->call($one, $_))->{rows} })->[0]{Plan} } @{ $one->{calls} };
		}
	}
	$twin->ok('ROLLBACK');
	return grep { my ($b, $a) = ($costs[0][$_], $costs[1][$_]); seqscans($a) > seqscans($b) ||
		($a->{'Total Cost'} > 1.1 * $b->{'Total Cost'} && $a->{'Total Cost'} >= $b->{'Total Cost'} + 10) } 0 .. $#{ $costs[0] // [] };
}

# The columns by which a unique index of the scenario tells rows apart; none: it is none.
sub enforced
{
	my ($scenario, $index) = @_;

	return 'id' if $index eq 't_pkey' && $scenario->{indexes}{t_pkey};
	foreach my $sql (@{ $scenario->{setup} })
	{
		return map { s/ .*//r } split /, /, $1 if $sql =~ /^CREATE UNIQUE INDEX $index ON t \((.*?)\)/ && $sql !~ / WHERE /;
	}
	return ();
}

# Does INSERT ... ON CONFLICT without a target go by this index, and no other one enforce as much?  Calls that show it may not be among
# those that are measured.
sub skips_by
{
	my ($scenario, $index) = @_;
	my %its = map { $_ => 1 } enforced($scenario, $index);

	return 0 if !%its || !grep { $_->{text} =~ /ON CONFLICT DO NOTHING/ } @{ $scenario->{statements} };
	foreach my $other (grep { $_ ne $index } keys %{ $scenario->{indexes} })
	{
		my @columns = enforced($scenario, $other);
		return 0 if @columns && !grep { !$its{$_} } @columns;
	}
	return 1;
}

# Of a harmless one that was refused: "false", or what the documentation promises to refuse: that costs rise, that a table is
# read from end to end although they do not, that a statement which calls a function in SQL where it reads tables is never planned
# without the index, or that nothing enforces as much.  What functions run inside is in no plan of the twin's, and what the writes left
# dead is not there: guard's own plans tell of it.
sub kind_of_refusal
{
	my ($scenario, $dearer, $units, $guarded, @indexes) = @_;

	return 'own' if %{ $scenario->{own} };
	return 'cost' if ($dearer > 1.1 && $units >= 10) || $units == 1e9;
	foreach my $index (@indexes)
	{
		return 'cost' if skips_by($scenario, $index);
		my $unplanned = $guarded->query("SELECT bool_or(s.query ~* 'from f_rows' AND w.queryid IS NULL) FROM guard.index_statements('$index') s LEFT JOIN guard.what_if('$index') w USING (queryid)");
		return 'cost' if (($unplanned->{rows}[0] // [])->[0] // '') eq 't';
		my $r = $guarded->query("SELECT bool_or(seq_scan OR (cost_without > 1.1 * cost AND cost_without >= cost + 10)) FROM guard.what_if('$index')");
		return 'cost' if (($r->{rows}[0] // [])->[0] // '') eq 't' && ($scenario->{writes} || grep { $_->{text} =~ /\bf_/ } @{ $scenario->{statements} });
	}
	return 'false';
}

# The migration, in the twin and under guard.
sub play_script
{
	my ($scenario, $guarded, $twin, $before) = @_;
	my $refused = '';
	my $script = join '; ', @{ $scenario->{script} };

	# What PostgreSQL itself will not have is no migration.
	foreach my $sql (@{ $scenario->{script} })
	{
		return if $twin->query($sql)->{error};
	}
	$twin->query("VACUUM (FULL, FREEZE, ANALYZE) $_; ") foreach @{ $scenario->{tables} };
	$twin->query("VACUUM $_; ") foreach @{ $scenario->{tables} };
	$twin->ok('BEGIN');
	my $after = measure_all($twin, $scenario, $before);
	my ($truth, $why, $dearer, $units) = truth($before, $after, 1);
	$twin->ok('ROLLBACK');
	# A column or table that is gone is what the migration is for, or a foreign key that does something else.
	return if grep { ($_->{error} // '') =~ /^(column|relation) .*does not exist|cannot (insert|update|delete|change|execute MERGE)|violates foreign key/ } values %$after;
	foreach my $sql (@{ $scenario->{script} })
	{
		my $error = $guarded->query($sql)->{error} or next;
		return "the migration fails: $error->{M}: $script" if $error->{C} ne '55006';
		$refused = "$error->{M}\n  " . ($error->{D} // '');
		last;
	}
	# What takes no index away is no harm of guard's: another type is compared otherwise.
	$truth = 'between' if $truth eq 'harmful' && $script =~ /^(ALTER TABLE t ALTER \w+ TYPE \w+|REINDEX INDEX CONCURRENTLY \w+)$/;
	$count{"script_$truth"}++;
	if ($truth eq 'harmful' && !$refused)
	{
		$count{script_missed}++;
		return "MISSED, MIGRATION: $why: $script";
	}
	if ($truth eq 'harmless' && $refused)
	{
		my $kind = kind_of_refusal($scenario, $dearer, $units, $guarded, grep { "$script $refused" =~ /\b$_\b/ } keys %{ $scenario->{indexes} });
		$count{"script_$kind"}++;
		return "FALSE BLOCK, MIGRATION: $why, dearer by $dearer: $script\n  $refused" if $kind eq 'false';
	}
	return;
}

# What guard knows of the plans without an index, and how many it has not made.
sub known
{
	my ($guarded, $index) = @_;
	my $r = $guarded->query("SELECT w::text FROM guard.what_if('$index') w");

	return join '', map { "\n  what-if $_->[0]" } @{ $r->{rows} // [] },
		@{ $guarded->query("SELECT state FROM guard.status WHERE item = 'what-if time'")->{rows} // [] };
}

# Plays one scenario; returns what is wrong.
sub play
{
	my $scenario = JudgeScenario->new;
	my @wrong;
	my @setup = (@{ $scenario->{setup} }, map { "VACUUM (FREEZE, ANALYZE) $_" } @{ $scenario->{tables} });
	my $twin = eval { database('twin', @setup) };
	$twin->ok("SET statement_timeout = '5s'") if $twin;
	if (!$twin)                    # a unique index that the rows do not allow
	{
		diag("no scenario: $@") if $@ !~ / 23505 /;
		return;
	}
	my $guarded = database('guarded', 'CREATE EXTENSION pg_stat_statements', 'CREATE EXTENSION guard', @setup);

	run_traffic($scenario);
	$guarded->close;
	$guarded = session($node, database => 'guarded', application_name => 'migration');
	measure_undone($twin, $scenario) if $scenario->{writes};
	my $before = measure_undone($twin, $scenario);
	foreach my $index (sort keys %{ $scenario->{indexes} })
	{
		my $after = measure_undone($twin, $scenario, $before, $scenario->{indexes}{$index}) or next;
		my $r = $guarded->query("SELECT verdict, reason, detail FROM guard.check('$index')");
		my ($verdict, $reason, $detail) = @{ $r->{rows}[0] };
		my ($truth, $why, $dearer, $units) = truth($before, $after);

		# What the writes left behind changes plans, too.
		($truth, $why, $dearer, $units) = truth($before = measure_undone($twin, $scenario), $after)
			if $truth eq 'harmful' && $verdict eq 'allow' && $scenario->{writes};
		$count{$truth}++;
		if ($truth eq 'harmful' && $verdict eq 'allow')
		{
			$count{missed}++;
			push @wrong, "MISSED $index ($reason): $why\n  $detail" . known($guarded, $index);
		}
		elsif ($truth eq 'harmless' && $verdict eq 'block')
		{
			my $kind = kind_of_refusal($scenario, $dearer, $units, $guarded, $index);
			$kind = 'cost' if $kind eq 'false' && dearer_elsewhere($twin, $scenario, $scenario->{indexes}{$index});
			$count{$kind}++;
			push @wrong, "FALSE BLOCK $index ($reason): $why, dearer by $dearer, $units units\n  $detail" . known($guarded, $index) if $kind eq 'false';
		}
	}
	push @wrong, play_script($scenario, $guarded, $twin, $before);
	$_->close foreach $guarded, $twin;
	return map { "$_\n" } @wrong ? (@wrong, map({ "  $_;" } @{ $scenario->{setup} }, values %{ $scenario->{own} }),
		map { "  $_->{name} $_->{service} " . @{ $_->{calls} } . ' x ' . ($_->{prepared} ? 'prepared ' : '') . $scenario->call($_, $_->{calls}[0]) .
			($_->{prepared} ? " of $_->{text}" : '') } @{ $scenario->{statements} }) : ();
}

my $end = time + $seconds;
do
{
	srand($seed);
	my @wrong = eval { play() };
	push @wrong, "the scenario cannot be played: $@" if $@;
	ok(!@wrong, 'seed ' . $seed++);
	diag(@wrong) if @wrong;
} while time < $end && !$ENV{JUDGE_ONCE};
diag('indexes: ', join ', ', map { "$count{$_} $_" } @kinds);
diag('migrations: ', join ', ', map { $count{"script_$_"} . " $_" } @kinds);

$dba->close;
$node->stop;
done_testing();
