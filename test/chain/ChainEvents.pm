# ChainEvents: what can happen, one function each, and which of it happens next.
#
# An event is [name, words...], all that is needed to have it happen again: a sequence can be replayed, whole or without some of
# its events.  What an event names may be gone by then; its statements fail, and that is all.

package ChainEvents;

use strict;
use warnings FATAL => 'all';
use ChainWorld;
use Time::HiRes qw(usleep time);

my @SHAPES = ('(%s)', '(%s)', '(%s)', '(%s, b)', '(%s, b)', '(%s) INCLUDE (b)', '(%s, b, id)', '(b)', '(b, %s)');

# Tables that guard writes to or reads while it judges and keeps its books: all that it has.
my $OURS = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'guard'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE \"C\"";

# name => [how often, the words]
my %EVENTS = (
	traffic => [ 24, sub { (one_of(qw(simple pipeline leaving twice transaction))) } ],
	create => [ 16, sub { ($_[0]->name, one_of(@SHAPES), one_of(qw(plain plain concurrently transaction))) } ],
	drop => [ 22, sub { (an_index($_[0]), one_of(qw(plain plain concurrently rollback savepoint savepoint_back read_only read_only_inside
			discard both prepared do pipeline crash))) } ],
	down => [ 5, sub { (an_index($_[0]), $_[0]->name, one_of(@SHAPES), one_of(qw(create_first drop_first same_name read_only))) } ],
	reindex => [ 6, sub { (an_index($_[0]), one_of(qw(index index_concurrently table table_concurrently read_only_concurrently))) } ],
	rewrite => [ 6, sub { (an_index($_[0]), one_of(qw(alter_type alter_back cluster truncate vacuum_full set_unlogged))) } ],
	interrupted => [ 12, sub { ddl($_[0]), int(rand(5)), one_of(qw(release cancel terminate statement_timeout lock_timeout crash)),
			one_of('nothing', 'check', 'drop', 'drop'), an_index($_[0]) } ],
	hurried => [ 6, sub { ddl($_[0]), one_of(qw(statement_timeout lock_timeout)), int(exp(rand(4))) } ],
	locked => [ 8, sub { int(rand(100)), one_of('ACCESS EXCLUSIVE', 'SHARE'), ddl($_[0]) } ],
	crash => [ 4, sub { one_of(qw(immediate kill)) } ],
	restart => [ 3, sub { () } ],
	reset => [ 4, sub { one_of(qw(pg_stat_reset pg_stat_statements_reset)) } ],
	snapshot => [ 7, sub { () } ],
	rename => [ 6, sub { (an_index($_[0]), one_of(qw(index table column))) } ],
	swap => [ 3, sub { () } ],
	full => [ 1, sub { () } ],
	soft_drop => [ 4, sub { (an_index($_[0])) } ],
	restore => [ 4, sub { () } ],
	hide => [ 2, sub { (an_index($_[0])) } ],
	unhide => [ 3, sub { () } ],
);

sub one_of { return $_[ rand @_ ]; }

# Mostly one that matters.
sub an_index
{
	my ($w) = @_;
	my @all = map { $_->{name} } $w->indexes;
	my @serving = map { $_->{name} } $w->{model}->serving;

	return one_of(@serving && rand() < 0.8 ? @serving : @all ? @all : 'none');
}

# A statement that can be disturbed, %s the column.
sub ddl
{
	my ($w) = @_;
	my $index = an_index($w);

	return one_of(
		("DROP INDEX $index") x 2,
		("DROP INDEX CONCURRENTLY $index") x 3,
		("REINDEX INDEX CONCURRENTLY $index") x 3,
		'REINDEX TABLE CONCURRENTLY %t',
		"REINDEX INDEX $index",
		'CREATE INDEX CONCURRENTLY ' . $w->name . ' ON %t ' . one_of(@SHAPES),
		'CREATE INDEX ' . $w->name . ' ON %t ' . one_of(@SHAPES));
}

# Events that are left out, for one who knows already.
delete @EVENTS{ split ' ', $ENV{CHAIN_WITHOUT} // '' };

sub choose
{
	my ($w) = @_;
	my $all = 0;

	$all += $_->[0] foreach values %EVENTS;
	my $at = rand $all;
	foreach my $name (sort keys %EVENTS)
	{
		return [ $name, $EVENTS{$name}[1]->($w) ] if ($at -= $EVENTS{$name}[0]) < 0;
	}
}

# Returns whether the traffic may be without an index now because a person wanted it so.
sub happen
{
	my ($w, $name, @words) = @_;

	$w->note("-- $name @words");
	no strict 'refs';
	return &{"event_$name"}($w, @words) // '';
}

sub filled
{
	my ($w, $sql) = @_;

	return $sql =~ s/%t/$w->{table}/r =~ s/%s/$w->{column}/r;
}

# ---- traffic

sub event_traffic
{
	my ($w, $how) = @_;
	my $label = $how eq 'leaving' ? 'auth leaving' : 'auth';
	my $sql = "SELECT c FROM $w->{table} WHERE $w->{column} = 42";
	my $plan = join ' ', map { $_->[0] } @{ $w->must($label, "EXPLAIN $sql")->{rows} };

	if ($how eq 'pipeline') { $w->record($label, $sql); $w->session($label)->pipeline($sql); }
	elsif ($how eq 'transaction') { $w->must($label, "BEGIN; $sql; COMMIT"); }
	else { $w->must($label, $sql) foreach 1 .. ($how eq 'twice' ? 2 : 1); }
	if ($how eq 'leaving')
	{
		my $pid = $w->session($label)->pid;
		$w->forget($label);
		usleep(2_000) until $w->true("NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
	}
	# With (a) a plain scan, with (b, a) perhaps a bitmap one.
	$w->{model}->use($plan =~ /Index (?:Only )?Scan (?:using|on) (\w+)/ ? $1 : '');
	return;
}

# ---- one person's statements

sub event_create
{
	my ($w, $index, $shape, $how) = @_;
	my $r = $w->q('dba', filled($w,
		$how eq 'concurrently' ? "CREATE INDEX CONCURRENTLY $index ON %t $shape"
		: $how eq 'transaction' ? "BEGIN; CREATE INDEX $index ON %t $shape; COMMIT"
		: "CREATE INDEX $index ON %t $shape"));

	return if $r->{error};
	$w->look;
	$w->{model}->made($index);
	return;
}

my %DROP = (
	plain => 'DROP INDEX %i',
	concurrently => 'DROP INDEX CONCURRENTLY %i',
	rollback => 'BEGIN; DROP INDEX %i; ROLLBACK',
	savepoint => 'BEGIN; SAVEPOINT s; DROP INDEX %i; RELEASE s; COMMIT',
	savepoint_back => 'BEGIN; SAVEPOINT s; DROP INDEX %i; ROLLBACK TO s; COMMIT',
	read_only => 'BEGIN; DROP INDEX %i; SET TRANSACTION READ ONLY; COMMIT',
	read_only_inside => 'BEGIN; SAVEPOINT s; DROP INDEX %i; RELEASE s; SAVEPOINT s; SET TRANSACTION READ ONLY; RELEASE s; COMMIT',
	discard => 'DROP INDEX %i',
	both => 'DROP INDEX %i, %j',
	prepared => 'BEGIN; DROP INDEX %i; PREPARE TRANSACTION \'p\'',
	do => 'DO $$ BEGIN EXECUTE \'DROP INDEX %i\'; END $$',
	pipeline => 'DROP INDEX %i',
	crash => 'DROP INDEX %i',);

sub event_drop
{
	my ($w, $index, $how) = @_;
	my ($other) = grep { $_ ne $index } map { $_->{name} } $w->{model}->serving;
	my $sql = $DROP{$how} =~ s/%i/$index/r =~ s/%j/$other || $index/er;

	if ($how eq 'pipeline')
	{
		$w->record('dba', $sql);
		$w->session('dba')->pipeline($sql);
		return;
	}
	my $r = $w->q('dba', $sql);
	$w->q('dba', 'ROLLBACK') if $r->{status} && $r->{status} ne 'I';
	$w->q('dba', 'COMMIT PREPARED \'p\'') if $how eq 'prepared' && !$r->{error};
	$w->q('dba', 'DISCARD ALL') if $how eq 'discard';
	$w->crash if $how eq 'crash';
	return;
}

# A migration undone, or done over.
sub event_down
{
	my ($w, $old, $new, $shape, $how) = @_;
	my $create = filled($w, 'CREATE INDEX ' . ($how eq 'same_name' ? $old : $new) . " ON %t $shape");
	my @steps = $how eq 'create_first' ? ($create, "DROP INDEX $old") : ("DROP INDEX $old", $create);

	push @steps, 'SET TRANSACTION READ ONLY' if $how eq 'read_only';
	my $r = $w->q('dba', join('; ', 'BEGIN', @steps, 'COMMIT'));
	$w->q('dba', 'ROLLBACK') if $r->{status} && $r->{status} ne 'I';
	return;
}

sub event_reindex
{
	my ($w, $index, $how) = @_;
	my %sql = (
		index => "REINDEX INDEX $index",
		index_concurrently => "REINDEX INDEX CONCURRENTLY $index",
		read_only_concurrently => "REINDEX INDEX CONCURRENTLY $index",
		table => 'REINDEX TABLE %t',
		table_concurrently => 'REINDEX TABLE CONCURRENTLY %t',);

	$w->q('dba', 'SET default_transaction_read_only = on') if $how =~ /^read_only/;
	$w->q('dba', filled($w, $sql{$how}));
	$w->q('dba', 'RESET default_transaction_read_only') if $how =~ /^read_only/;
	return;
}

sub event_rewrite
{
	my ($w, $index, $how) = @_;
	my %sql = (
		alter_type => 'ALTER TABLE %t ALTER %s TYPE bigint',
		alter_back => 'ALTER TABLE %t ALTER %s TYPE int',
		cluster => "CLUSTER %t USING $index",
		truncate => "BEGIN; TRUNCATE %t; INSERT INTO %t $ChainWorld::ROWS; COMMIT",
		vacuum_full => 'VACUUM FULL %t',
		# Left unlogged, it would be empty after a crash.
		set_unlogged => 'ALTER TABLE %t SET UNLOGGED; ALTER TABLE %t SET LOGGED',);
	my $sql = $sql{$how} =~ s/%t/$w->{table}/gr =~ s/%s/$w->{column}/gr;

	my $r = $w->q('dba', $sql);
	$w->q('dba', 'ROLLBACK') if $r->{status} && $r->{status} ne 'I';
	$w->q('dba', "ANALYZE $w->{table}") if $how eq 'truncate';
	return;
}

sub event_rename
{
	my ($w, $index, $what) = @_;

	if ($what eq 'index')
	{
		$w->q('dba', "ALTER INDEX $index RENAME TO " . $w->name) unless $index eq 'none';
	}
	elsif ($what eq 'table')
	{
		my $to = $w->{table} eq 't' ? 't_renamed' : 't';
		return if $w->{swapped};
		$w->{table} = $to unless $w->q('dba', "ALTER TABLE $w->{table} RENAME TO $to")->{error};
	}
	else
	{
		my $to = $w->{column} eq 'a' ? 'a_renamed' : 'a';
		return if $w->{swapped};
		$w->{column} = $to unless $w->q('dba', "ALTER TABLE $w->{table} RENAME $w->{column} TO $to")->{error};
	}
	return;
}

# A new table under the old name, with an index for the traffic; and back, while the old one has its own.
sub event_swap
{
	my ($w) = @_;

	$w->{model}{lost} = 1;
	if ($w->{swapped})
	{
		my ($old) = $w->rows("SELECT count(*) FROM pg_index WHERE indrelid = to_regclass('t_old') AND indisvalid AND indkey::text ~ '^2\\M'");
		return unless $old->[0];
		return if $w->q('dba', 'BEGIN; ALTER TABLE t RENAME TO t_gone; ALTER TABLE t_old RENAME TO t; COMMIT')->{error};
		$w->{swapped} = 0;
		$w->{swapped_before} = 1;
	}
	return if $w->{table} ne 't' || $w->{column} ne 'a' || $w->{swapped_before};
	my $index = $w->name;
	$w->must('dba', $_)
	  foreach 'CREATE TABLE t_new (LIKE t)', "INSERT INTO t_new $ChainWorld::ROWS", "CREATE INDEX $index ON t_new (a)",
	  'GRANT SELECT ON t_new TO app', 'VACUUM ANALYZE t_new';
	my $r = $w->q('dba', 'BEGIN; ALTER TABLE t RENAME TO t_old; ALTER TABLE t_new RENAME TO t; COMMIT');
	$w->q('dba', 'ROLLBACK') if $r->{status} && $r->{status} ne 'I';
	$w->{swapped} = 1 unless $r->{error};
	return;
}

# ---- disturbed

# The statement waits behind idle transactions, going on by a step with each of them that ends, until it is let go, stopped, or
# the server goes down.  Meanwhile somebody asks, or drops another index.
sub event_interrupted
{
	my ($w, $ddl, $steps, $ending, $meanwhile, $other) = @_;
	my $sql = filled($w, $ddl);
	my $reader = 'reader 1';
	my $stopped = '';
	my $read = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT id FROM $w->{table} LIMIT 1";

	$w->{model}{lost} = 1 if $ending ne 'release';
	$w->q($reader, $read);
	$w->q('dba', "SET $ending = '300ms'") if $ending =~ /_timeout$/;
	$w->start('dba', $sql);
	my $waits = $w->waits('dba');
	# Behind what waits for the whole table no reader comes in.
	foreach my $step (1 .. ($sql =~ /CONCURRENTLY/ && $ending !~ /_timeout$/ ? $steps : 0))
	{
		last unless $waits;
		my $next = 'reader ' . ($step % 2 + 1);
		$w->q($next, $read);
		$w->q($reader, 'COMMIT');
		$reader = $next;
		$waits = $w->waits('dba');
	}
	if ($waits)
	{
		$stopped = check_meanwhile($w) if $meanwhile ne 'nothing';
		if ($meanwhile eq 'drop')
		{
			$w->start('other', "DROP INDEX $other");
			$w->waits('other');
		}
		my $pid = $w->session('dba')->pid;
		if ($ending =~ /^(cancel|terminate)$/)
		{
			$w->record('admin', "SELECT pg_${ending}_backend(pid) FROM pg_stat_activity WHERE application_name = 'dba'");
			$w->must('monitor', "SELECT pg_${ending}_backend($pid)");
			$w->result('dba');
		}
		elsif ($ending =~ /_timeout$/) { $w->result('dba'); }
		elsif ($ending eq 'crash') { $w->crash; return $stopped; }
		$w->q($reader, 'COMMIT');
		$w->result('dba') if $ending eq 'release';
		$w->result('other') if $meanwhile eq 'drop';
	}
	else
	{
		$w->result('dba');
		$w->q($reader, 'COMMIT');
	}
	$w->q('dba', "RESET $ending") if $ending =~ /_timeout$/;
	return $stopped;
}

# What is asked in the middle must be right as well.
sub check_meanwhile
{
	my ($w) = @_;

	$w->look;
	my @wrong = $w->{model}->wrong_answers($w->answers, 0);
	return @wrong ? \@wrong : '';
}

sub event_hurried
{
	my ($w, $ddl, $setting, $ms) = @_;

	$w->{model}{lost} = 1;
	$w->q('dba', "SET $setting = '${ms}ms'");
	$w->q('dba', filled($w, $ddl));
	$w->q('dba', "RESET $setting");
	return;
}

# One of guard's tables is locked, as by VACUUM FULL or a dump of the wrong kind, until the statement is done or has waited long.
sub event_locked
{
	my ($w, $which, $mode, $ddl) = @_;
	my @tables = map { $_->[0] } $w->rows($OURS);
	my $end = time + 1;

	$w->{model}{lost} = 1;
	# Each alone, and now and then all.
	my @locked = $which < 85 ? $tables[ $which % @tables ] : @tables;
	$w->q('locker', 'BEGIN; LOCK TABLE ' . join(', ', @locked) . " IN $mode MODE");
	$w->start('dba', filled($w, $ddl));
	usleep(5_000) until $w->session('dba')->answered || time > $end;
	$w->q('locker', 'ROLLBACK');
	$w->result('dba');
	return;
}

# ---- the server

sub event_crash
{
	my ($w, $how) = @_;

	if ($how eq 'kill') { $w->kill_backend('dba'); }
	else { $w->crash; }
	return;
}

sub event_restart { $_[0]->restart; return; }

sub event_reset { $_[0]->q('dba', "SELECT $_[1]()"); return; }

sub event_snapshot { $_[0]->q('dba', 'SELECT guard.snapshot()'); return; }

# More tables than guard has room for.
sub event_full
{
	my ($w) = @_;

	$w->{model}{lost} = 1;
	$w->q('flood', 'SET enable_seqscan = off');
	my ($count) = $w->rows('SELECT count(*) FROM pg_class WHERE relname ~ \'^flood\'');
	foreach my $i ($count->[0] .. $count->[0] + 60)
	{
		$w->q('flood', "CREATE TABLE flood$i (a int PRIMARY KEY); INSERT INTO flood$i VALUES (1); SELECT * FROM flood$i WHERE a = 1");
	}
	return;
}

# ---- what guard itself offers

sub event_soft_drop
{
	my ($w, $index) = @_;

	$w->q('dba', 'SET guard.hot_action = delay');
	$w->q('dba', "DROP INDEX $index");
	$w->q('dba', 'RESET guard.hot_action');
	return;
}

sub event_restore
{
	my ($w) = @_;

	$w->q('dba', "SELECT guard.restore('$_->{name}')") foreach grep { $_->{name} =~ /^guard_drop_/ } $w->indexes;
	return;
}

sub event_hide { $_[0]->q('dba', "SELECT guard.hide('$_[1]')"); return 'meant'; }

sub event_unhide
{
	my ($w) = @_;

	$w->q('dba', "SELECT guard.unhide('$_->{name}')") foreach grep { $_->{hidden} } $w->indexes;
	return;
}

1;
