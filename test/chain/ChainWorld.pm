# ChainWorld: the server on which a sequence plays, its sessions, and the record of what was said to it.

package ChainWorld;

use strict;
use warnings FATAL => 'all';
use ChainModel;
use GuardTest qw(guard_server);
use GuardSession;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep time);

our $ROWS = 'SELECT g, g, g % 100, rpad(\'row \' || g, 100) FROM generate_series(1, 3000) g';

# As small as the tables may be; a drop that guard cannot judge is refused.
our $CONF = <<'END';
guard.max_indexes = 100
guard.max_statements = 100
guard.unknown_action = block
guard.hot_action = block
restart_after_crash = on
END

sub new
{
	my ($class, $name) = @_;
	my $self = bless { node => guard_server($name, conf => $CONF, extension => 0), sessions => {} }, $class;

	$self->q('monitor postgres', 'CREATE ROLE app LOGIN');
	return $self;
}

# A database of its own, one table, an index that traffic uses and one that it does not.
sub begin
{
	my ($self) = @_;

	$self->end;
	@{$self}{qw(script model table column swapped number)} = ([], ChainModel->new, 't', 'a', 0, 0);
	$self->must('monitor postgres', 'DROP DATABASE IF EXISTS chain WITH (FORCE)');
	$self->must('monitor postgres', 'CREATE DATABASE chain');
	$self->must('dba', $_)
	  foreach 'CREATE EXTENSION pg_stat_statements',
	  'CREATE EXTENSION guard',
	  'CREATE TABLE t (id int, a int, b int, c text)',
	  "INSERT INTO t $ROWS",
	  'GRANT SELECT ON t TO app',
	  'VACUUM ANALYZE t';
	$self->look;
}

sub end
{
	my ($self) = @_;

	$self->forget($_) foreach keys %{ $self->{sessions} };
}

# ---- sessions, by what they are for: "dba", "auth", "reader 1"; "monitor" is the test's own, and its words are not recorded

sub session
{
	my ($self, $label) = @_;
	my ($user, $database) = ($label =~ /^auth/ ? 'app' : (getpwuid($<))[0], $label =~ / postgres$/ ? 'postgres' : 'chain');

	$self->{sessions}{$label} //=
	  GuardSession->new($self->{node}, application_name => $label =~ s/ postgres$//r, user => $user, database => $database);
	return $self->{sessions}{$label};
}

sub forget
{
	my ($self, $label) = @_;
	my $session = delete $self->{sessions}{$label};

	eval { $session->close } if $session;
}

sub note
{
	my ($self, $line) = @_;

	push @{ $self->{script} }, $line;
}

sub record
{
	my ($self, $label, $sql) = @_;

	$self->note("/* $label */ $sql;") unless $label =~ /^monitor/;
}

# Run it, whatever becomes of it.
sub q
{
	my ($self, $label, $sql) = @_;

	$self->start($label, $sql);
	return $self->result($label);
}

sub must
{
	my ($self, $label, $sql) = @_;
	my $r = $self->q($label, $sql);

	die "$sql: $r->{error}{M}" if $r->{error};
	return $r;
}

sub rows
{
	my ($self, $sql) = @_;

	return @{ $self->must('monitor', $sql)->{rows} // [] };
}

sub true
{
	my ($self, $sql) = @_;
	my ($row) = $self->rows("SELECT $sql");

	return $row->[0] eq 't';
}

sub start
{
	my ($self, $label, $sql) = @_;

	$self->record($label, $sql);
	$self->session($label)->start($sql);
}

sub result
{
	my ($self, $label) = @_;
	my $r = eval { $self->session($label)->result } // { error => { S => 'FATAL', C => 'lost', M => "$@" } };

	$self->forget($label) if $r->{error} && $r->{error}{S} =~ /FATAL|PANIC/;
	$self->note("-- $r->{error}{C}: $r->{error}{M}") if $r->{error} && $label !~ /^monitor/;
	return $r;
}

# Wait until the session has its answer or waits for another; true when it waits.
sub waits
{
	my ($self, $label) = @_;
	my $session = $self->session($label);
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($session->answered)
	{
		return 1 if $self->true('cardinality(pg_blocking_pids(' . $session->pid . ')) > 0');
		die "$label neither goes on nor waits" if time > $end;
		usleep(2_000);
	}
	return 0;
}

# ---- the server

# Everything that was not written down is lost.
sub crash
{
	my ($self) = @_;

	$self->note('\! pg_ctl stop -m immediate; pg_ctl start');
	$self->end;
	$self->{node}->stop('immediate');
	$self->{node}->start;
	$self->{model}{lost} = 1;
}

sub restart
{
	my ($self) = @_;

	$self->note('\! pg_ctl restart -m fast');
	$self->end;
	$self->{node}->restart;
}

# A backend killed takes all with it; the server comes back by itself.
sub kill_backend
{
	my ($self, $label) = @_;
	my ($before) = $self->rows('SELECT pid FROM pg_stat_activity WHERE backend_type = \'checkpointer\'');
	my $pid = $self->session($label)->pid;

	$self->note("\\! kill -9 $pid    # $label");
	kill 'KILL', $pid;
	$self->end;
	$self->{node}->poll_query_until('postgres', "SELECT pid <> $before->[0] FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
	  or die 'the server does not come back';
	$self->{model}{lost} = 1;
}

# ---- what is there

sub name
{
	my ($self) = @_;

	return 'i' . ++$self->{number};
}

# Have the model see the catalogs.
sub look
{
	my ($self) = @_;
	my ($bearer) = $self->rows("SELECT '$self->{table}'::regclass::oid");
	my @indexes = map {
		my %index;
		@index{qw(oid name parent key more valid hidden young)} = @$_;
		$index{$_} = $index{$_} eq 't' foreach qw(valid hidden young);
		\%index;
	} $self->rows(<<'END');
SELECT i.indexrelid, c.relname, i.indrelid,
	   array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' '),
	   array_to_string((i.indkey::int2[])[i.indnkeyatts:i.indnatts - 1], ' '),
	   i.indisvalid AND i.indisready AND i.indislive,
	   EXISTS (SELECT FROM guard.index_facts g WHERE g.index = i.indexrelid AND g.hidden),
	   i.indcheckxmin
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relname ~ '^flood'
 ORDER BY i.indexrelid
END
	$self->{model}->take(\@indexes, $bearer->[0]);
}

sub indexes
{
	my ($self) = @_;

	return $self->{model}->here;
}

# { oid => [verdict, reason] }; what it is about is looked at as well.
sub answers
{
	my ($self) = @_;
	my $world = sub { join "\n", map { my $index = $_; map { "$_ " . ($index->{$_} // '') } sort keys %$index } @{ $self->{model}{now} } };
	my ($before, @answers);

	# Drops in stages go on by themselves: what was answered is of the world that was the same before and after.
	do
	{
		$before = $world->();
		@answers = $self->rows("SELECT index::oid, verdict, reason FROM guard.check('$self->{table}')");
		$self->look;
	} until $world->() eq $before;
	return { map { $_->[0] => [ @{$_}[ 1, 2 ] ] } @answers };
}

# For people, when something is wrong.
sub explain
{
	my ($self) = @_;
	my @lines = eval {
		map { join ' | ', map { $_ // '-' } @$_ } (
			$self->rows("SELECT index, verdict, reason, detail FROM guard.check('$self->{table}')"),
			$self->rows("SELECT item, state FROM guard.status WHERE item ~ 'gap|capture|history'"));
	};

	return @lines, $@ ? "$@" : ();
}

1;
